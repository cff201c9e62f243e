"""What runs where, what is queued and why, and what the devices do."""
