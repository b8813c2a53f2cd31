"""What passes between the two halves of the gallery: log entries, filters and hits."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Kind = Literal["video", "image"]
Operation = Literal["add", "remove", "update"]
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the gallery log.

    `seq` is gapless and is the FAISS id of the vector that an `add` brings. `count` and `checksum` are those of the
    gallery *after* this entry. `add` carries everything; `update` carries camera, times and tags; `remove` only ids.
    """

    seq: int
    operation: Operation
    track_id: str
    count: int
    checksum: int  # sum mod 2^64 of `track_digest` over all tracks
    item_id: str = ""
    kind: Kind = "video"
    camera_id: str | None = None
    start_ms: int | None = None  # Unix time; None when the item has no captured_at
    end_ms: int | None = None  # exclusive
    tags: Mapping[str, str] = field(default_factory=dict)
    vector: bytes = b""  # float16, little endian, D numbers


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tracks a search may return. Empty members exclude nothing; all that are set must hold.

    Time is half open, [from_ms, to_ms), and matches by overlap; tracks without times never match a time filter.
    """

    kind: Kind | None = None
    camera_ids: tuple[str, ...] = ()
    from_ms: int | None = None
    to_ms: int | None = None
    tags: tuple[tuple[str, str], ...] = ()
    item_ids: tuple[str, ...] = ()
    exclude_item_ids: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self == Filter()


@dataclass(frozen=True, slots=True)
class Hit:
    """A track with its score: the inner product of two unit vectors, in [-1, 1]."""

    track_id: str
    score: float


def track_digest(track_id: str, vector: bytes) -> int:
    """Unsigned 64-bit hash of a track's id and float16 vector, the summand of the gallery's checksum."""
    digest = hashlib.blake2b(track_id.encode() + b"\0" + vector, digest_size=8).digest()
    return int.from_bytes(digest, "big")
