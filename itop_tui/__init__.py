"""The terminal app and the `itop` command; torch is never imported here, not even indirectly."""
