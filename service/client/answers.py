"""What the service answers with, as frozen records. Members a newer service adds are ignored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeVar, cast

import httpx
from pydantic import TypeAdapter, ValidationError

from service.client.errors import VillsError

Kind = Literal["video", "image"]
Target = Literal["videos", "images", "all"]
Box = tuple[int, int, int, int]  # x, y, width, height in pixels of the upright picture, origin top left
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Job:
    """Work the service does after its answer. `error` is the problem body of a dead job."""

    id: str
    kind: str  # ingest, erase
    state: str  # queued, running, retrying, done, dead, cancelled
    item_id: str
    attempts: int = 0
    error: dict[str, Any] | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    gallery_version: int | None = None  # set when done: the log position at which the work is visible
    proof: dict[str, str] | None = None  # erase: place -> done or pending

    @property
    def finished(self) -> bool:
        return self.state in ("done", "dead", "cancelled")


@dataclass(frozen=True, slots=True)
class Upload:
    """An accepted upload. `gallery_version` is None until the item is searchable."""

    item_id: str
    job_id: str
    state: str
    gallery_version: int | None = None

    @property
    def searchable(self) -> bool:
        return self.state == "done"


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """One upload: a video or an image with its camera, time and tags."""

    id: str
    kind: Kind
    status: str  # queued, ready, failed
    content: str = "tracklet"
    camera_id: str | None = None
    captured_at: datetime | None = None
    tags: dict[str, str] = field(default_factory=dict)
    filename: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    created_at: datetime | None = None
    n_tracks: int | None = None
    gallery_version: int | None = None


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """One person in consecutive frames of one camera. Offsets are seconds into the media."""

    track_id: str
    item_id: str
    kind: Kind
    camera_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    offset_start_s: float | None = None
    offset_end_s: float | None = None
    n_frames: int | None = None
    box: Box | None = None
    tags: dict[str, str] = field(default_factory=dict)
    thumbnail: str | None = None
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A track with its score: the cosine of two embeddings, in [-1, 1]. `confidence` needs calibrated weights."""

    track_id: str
    item_id: str
    kind: Kind
    score: float
    confidence: float | None = None
    camera_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    offset_start_s: float | None = None
    offset_end_s: float | None = None
    box: Box | None = None
    tags: dict[str, str] = field(default_factory=dict)
    thumbnail: str | None = None
    media: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the records of a list, and where the next ones begin; None: there are no more."""

    items: tuple[dict[str, Any], ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Ranked hits, best first, and where the milliseconds went."""

    query_id: str
    space: str
    gallery_version: int
    partial: bool
    timings_ms: dict[str, float]
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """The service's version and the encoder behind it; `encoder` is None until a worker has registered one."""

    version: str
    space: str | None = None
    encoder: str | None = None
    dimension: int | None = None
    fingerprint: str | None = None
    trained: bool | None = None
    licence: str | None = None
    training_data: str | None = None
    min_score: float | None = None  # queries that say nothing leave out hits below it


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether queries are answered, and if not, why."""

    ready: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read(record: type[Record], body: Mapping[str, Any]) -> Record:
    """The record a JSON object stands for.

    Raises:
        VillsError: a member is missing or of another type (`unreadable_answer`).
    """
    reader: TypeAdapter[Record] = _reader(cast(Any, record))
    try:
        return reader.validate_python(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in wrong["loc"])
        raise _unreadable(f"{where} of a {record.__name__} is {wrong['input']!r}: {wrong['msg']}") from error


def body_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON object an answer carries.

    Raises:
        VillsError: it carries something else, as a proxy's page would be (`unreadable_answer`).
    """
    try:
        body = response.json()
    except ValueError as error:
        raise _unreadable(f"{response.request.url} gave no JSON: {error}") from error
    if not isinstance(body, dict):
        raise _unreadable(f"{response.request.url} gave a {type(body).__name__} in place of a JSON object")
    return body


def _unreadable(what: str) -> VillsError:
    return VillsError(
        "unreadable_answer",
        0,
        f"the answer cannot be read: {what}; check that the address is the service's and `/version` fits this client",
    )


@cache
def _reader(record: Any) -> TypeAdapter[Any]:
    return TypeAdapter(record)
