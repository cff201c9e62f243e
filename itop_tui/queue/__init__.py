"""What runs where, what waits and why, and what the devices do."""
