"""A job's record: its states and what it says of itself."""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import orjson

from index.entries import Kind

JobKind = Literal["ingest", "erase"]
#: queued: waits in the stream. running: a worker holds its lease. retrying: waits for its next attempt.
#: done: its item is searchable, or its erasure is proved. dead: failed for good, see `error`. cancelled: by a person.
JobState = Literal["queued", "running", "retrying", "done", "dead", "cancelled"]
JOB_STATES: tuple[JobState, ...] = get_args(JobState)
PROOF = "proof:"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work. An ingest job has its item's id; an erase job carries the proof, place by place."""

    id: str
    kind: JobKind
    item_id: str
    item_kind: Kind
    state: JobState
    attempts: int
    error: dict[str, Any] | None
    created_ms: int
    updated_ms: int
    gallery_version: int | None
    proof: dict[str, str] | None


def job_of(job_id: str, fields: dict[bytes, bytes]) -> Job | None:
    """A job from its hash; None when there is none."""
    if b"state" not in fields:
        return None
    text = {name.decode(): value.decode() for name, value in fields.items()}
    proof = {name.removeprefix(PROOF): value for name, value in text.items() if name.startswith(PROOF)}
    return Job(
        id=job_id,
        kind=cast(JobKind, text["kind"]),
        item_id=text["item"],
        item_kind=cast(Kind, text["item_kind"]),
        state=cast(JobState, text["state"]),
        attempts=int(text["attempts"]),
        error=orjson.loads(text["error"]) if "error" in text else None,
        created_ms=int(text["created"]),
        updated_ms=int(text["updated"]),
        gallery_version=int(text["version"]) if text.get("version") else None,
        proof=proof or None,
    )
