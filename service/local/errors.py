"""Errors of the service on one machine.

LocalError
├─ FolderInUse      another process serves this data folder
├─ FolderUnusable   this user cannot write into the data folder
├─ PortInUse        something else listens there
├─ StoreNotStarted  the embedded store did not come up
├─ ServiceStopped   a process ended for a reason that starting it again cannot cure
├─ NoStore          neither an embedded store nor VILLS_REDIS_URL is there to talk to
└─ BadInput         a file to be embedded or cut into tracks cannot be
"""


class LocalError(Exception):
    """Anything that keeps the processes of one machine from running. The message names rule, value and cure."""


class FolderInUse(LocalError):
    """Another process serves this data folder."""


class FolderUnusable(LocalError):
    """This user cannot write into the data folder, or it is no folder."""


class PortInUse(LocalError):
    """Something else listens on the port."""


class StoreNotStarted(LocalError):
    """The embedded store did not come up."""


class ServiceStopped(LocalError):
    """A process ended for a reason that starting it again cannot cure, or may not be started again."""


class NoStore(LocalError):
    """No store is there to talk to."""


class BadInput(LocalError):
    """A manifest, a file to be embedded, or footage cannot be used; names the row or the file."""
