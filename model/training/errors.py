"""Errors of training.

TrainingError
├─ BadConfig          a key nothing reads, a wrong type, a value out of range, a data set without a folder
├─ BadCheckpoint      a checkpoint that is not whole, or of another run
├─ FolderInUse        another process trains in the run's folder
├─ FolderUnusable     a folder that cannot be written to, or a full disk
└─ Diverged           a loss or a gradient that is not a number
"""

from model.errors import ModelError


class TrainingError(ModelError):
    """Anything that keeps a run from going on."""


class BadConfig(TrainingError):
    """The configuration of a run cannot be used as it is."""


class BadCheckpoint(TrainingError):
    """The checkpoint in the run's folder is not whole, or belongs to a run of another configuration."""


class FolderInUse(TrainingError):
    """Another process trains in the run's folder."""


class FolderUnusable(TrainingError):
    """A folder of the run cannot be written to, or its disk is full."""


class Diverged(TrainingError):
    """A loss or a gradient is no finite number."""
