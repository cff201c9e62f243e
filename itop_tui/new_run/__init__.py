"""The form of a new run, with its plan beside it."""
