"""The terminal app and the `itop` command; torch is never imported here, not even indirectly."""

import engine.config  # noqa: F401 - declares the settings that queries know by name
