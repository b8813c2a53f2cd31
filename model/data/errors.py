"""Errors of data sets.

DataError
├─ UnknownData    no data set has that name
├─ MissingData    a folder or a file of the data set is not there, or cannot be read
├─ PartialData    the folder holds another number of pictures, tracks or persons than published
├─ BadName        a file's name does not follow the rule of its data set
├─ DamagedCache   a file kept from an earlier run is not what its name says
└─ BadList        a list of the data set (.txt, .mat, .csv) does not say what it should
"""

from model.errors import ModelError


class DataError(ModelError):
    """Anything that keeps a folder from being the data set it is taken for."""


class UnknownData(DataError):
    """No data set has that name."""


class MissingData(DataError):
    """A folder or a file of the data set is not there, or cannot be read."""


class PartialData(DataError):
    """The folder holds another number of pictures, tracks or persons than its authors published."""


class BadName(DataError):
    """A file's name does not follow the rule of its data set."""


class DamagedCache(DataError):
    """A file in the cache folder is cut off, or not what its name says."""


class BadList(DataError):
    """A list of the data set does not say what it should."""
