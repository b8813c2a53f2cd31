"""What the answers look like, for OpenAPI. Built as dictionaries in `shapes`; these models are never run on them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["video", "image"]
JobState = Literal["queued", "running", "retrying", "done", "dead", "cancelled"]
Box = tuple[int, int, int, int]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """`application/problem+json` (RFC 9457). `code` is stable; `detail` names the rule, the value and the cure."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str


class Upload(Model):
    """An upload that is safely stored. `gallery_version` is set once it is searchable."""

    item_id: str
    job_id: str
    state: JobState
    gallery_version: int | None


class Item(Model):
    """One upload: a video or an image, with camera, time and tags."""

    id: str
    kind: Kind
    content: Literal["tracklet"]
    status: Literal["queued", "ready", "failed"]
    camera_id: str | None
    captured_at: datetime | None
    tags: dict[str, str]
    filename: str | None
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    n_tracks: int
    gallery_version: int | None
    media: str
    tracks: str
    job: str


class Track(Model):
    """One person in consecutive frames of one camera. Offsets are seconds into the media."""

    track_id: str
    item_id: str
    kind: Kind
    camera_id: str | None
    start: datetime | None
    end: datetime | None
    offset_start_s: float
    offset_end_s: float
    n_frames: int
    box: Box = Field(description="x, y, width, height in pixels of the upright picture, origin top left")
    tags: dict[str, str]
    thumbnail: str
    media: str


class Hit(Model):
    """A track with its score: the cosine of two embeddings. `confidence` needs weights with a calibration."""

    track_id: str
    item_id: str
    kind: Kind
    score: float
    confidence: float | None
    camera_id: str | None
    start: datetime | None
    end: datetime | None
    offset_start_s: float
    offset_end_s: float
    box: Box
    tags: dict[str, str]
    thumbnail: str
    media: str


class Timings(Model):
    """Milliseconds of each stage. `queue` to `search` are the worker's; `total` is the whole request."""

    decode: float
    queue: float
    encode: float
    search: float
    metadata: float
    total: float


class Answer(Model):
    """Hits, best first."""

    query_id: str
    space: str
    gallery_version: int
    partial: bool
    timings_ms: Timings
    hits: list[Hit]


class Job(Model):
    """Work done after the answer. `error`: the problem of a dead job. `proof`: `done` or `pending`, by place."""

    id: str
    kind: Literal["ingest", "erase"]
    item_id: str
    state: JobState
    attempts: int
    error: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    gallery_version: int | None
    proof: dict[str, str] | None


class Items(Model):
    items: list[Item]
    next_cursor: str | None


class Tracks(Model):
    items: list[Track]
    next_cursor: None = None


class Jobs(Model):
    items: list[Job]
    next_cursor: str | None


class Tags(Model):
    """New tags of an item; they replace the old ones."""

    tags: dict[str, str]


class Health(Model):
    """The process lives."""

    status: Literal["alive"]


class Ready(Model):
    """What was checked. A 503 is a problem with the same members."""

    ready: bool
    reasons: list[str]
    warnings: list[str]
    checks: dict[str, Any]


class Version(Model):
    """The build and the encoder behind it; everything about the encoder is null until a worker has registered one."""

    version: str
    space: str | None
    encoder: str | None
    dimension: int | None
    fingerprint: str | None
    trained: bool | None
    status: Literal["trained", "untrained"] | None
    licence: str | None
    training_data: str | None
    min_score: float | None = Field(description="what queries leave out hits below when they do not say")
    warnings: list[str]
