"""What can go wrong when a model is built."""


class ModelError(ValueError):
    """A model cannot be built, or does not fit its data; the message says which, and why, in one line."""
