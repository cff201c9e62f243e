"""What can go wrong when a data set is loaded; each message is complete and is shown to users."""

__all__ = ["DataCorruptError", "DataError", "DataMissingError"]


class DataError(Exception):
    """A data set cannot be used."""


class DataMissingError(DataError):
    """The files of a data set are not there; names the files, the folders and the variable that changes them."""


class DataCorruptError(DataError):
    """The files of a data set are there but are damaged or of another data set."""
