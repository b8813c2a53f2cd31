"""Errors of the region proposers.

RegionError
├─ PoseRuntimeMissing  the package that runs the pose network is not installed
├─ PictureUnreadable   a picture of the data set cannot be read
├─ CacheDamaged        a file of cached bodies cannot be read, or is not what its name says
└─ BadRegions          tensors that are no prompts, masks or geometry
"""

from model.errors import ModelError


class RegionError(ModelError):
    """Anything that keeps a prompt from becoming a region."""


class PoseRuntimeMissing(RegionError):
    """The package that runs the pose network is not installed."""


class PictureUnreadable(RegionError):
    """A picture of the data set cannot be read."""


class CacheDamaged(RegionError):
    """A file of cached bodies cannot be read, or is not what its name says."""


class BadRegions(RegionError):
    """Shapes or types that are no prompts, masks or geometry."""
