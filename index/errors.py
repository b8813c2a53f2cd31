"""Errors of the gallery.

GalleryError
├─ StoreUnavailable      Redis did not answer, or answered that it cannot serve
├─ NotDurable            the server did not confirm that a write is on disk
├─ NoSpace               no worker has registered an encoder yet
├─ SpaceMismatch         a worker's encoder is not the gallery's
├─ NotFound              no item, track or job of that id
├─ IdempotencyConflict   the key was used with another body
├─ JobNotRetryable       only a dead job can be retried
├─ LogGap                the log has a hole: the index must be rebuilt
├─ ChecksumMismatch      index and records disagree on what the gallery holds
└─ SnapshotDamaged       a snapshot on disk is not whole, or of another space
"""


class GalleryError(Exception):
    """Anything that goes wrong between the service and the gallery."""


class StoreUnavailable(GalleryError):
    """Redis did not answer, or answered that it cannot serve now."""


class NotDurable(GalleryError):
    """The server did not confirm that a write is on disk, so it must not be acknowledged."""


class NoSpace(GalleryError):
    """No worker has registered an encoder yet, so there is no gallery to write to or ask."""


class SpaceMismatch(GalleryError):
    """A worker's encoder is not the one whose embeddings the gallery holds."""


class NotFound(GalleryError):
    """No record of that id."""

    def __init__(self, what: str, record_id: str) -> None:
        super().__init__(f"no {what} has the id {record_id!r}: it was never there, or it was erased")
        self.what = what
        self.record_id = record_id


class IdempotencyConflict(GalleryError):
    """The idempotency key was used before with another body."""


class JobNotRetryable(GalleryError):
    """Only a dead job can be retried."""


class LogGap(GalleryError):
    """The log does not continue where the index stands; the index must be rebuilt from the records."""

    def __init__(self, have: int, got: int) -> None:
        super().__init__(
            f"the index has applied the log up to {have} and the next entry is {got}, not {have + 1}: rebuild it"
        )
        self.have = have
        self.got = got


class ChecksumMismatch(GalleryError):
    """Count or sum of the index differ from those of the records at the same log position."""


class SnapshotDamaged(GalleryError):
    """A snapshot on disk is not whole, or belongs to another space."""
