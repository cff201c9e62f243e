"""The terminal itself: its end, its signals, its clipboard, its cursor, and what it says of a key."""
