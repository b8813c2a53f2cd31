"""Fill the service with samples, then ask it across cameras and kinds."""

import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.client import Hit, Upload, VillsClient, VillsError
from service.client.options import QueryOptions
from service.demo.samples import Kind, Sample
from service.demo.scores import Ranking

JOB_WAIT_S = 600.0
MOST_HITS = 1000  # what one query may ask for
MOST_CAMERAS = 64  # what one query may name
RUN_TAG = "demo-run"


@dataclass(slots=True)
class Filled:
    """What became searchable: item id -> sample; and the files the service refused, with its reason."""

    run: str  # value of RUN_TAG on all of them
    items: dict[str, Sample] = field(default_factory=dict)
    refused: list[tuple[Path, str]] = field(default_factory=list)
    version: int = 0  # gallery version that has them all

    def candidates(self, query: Sample, kind: Kind) -> list[Sample]:
        """What may answer a query: samples of the kind under other cameras, or all others if there is one camera."""
        others = self.other_cameras(query)
        return [s for s in self.items.values() if s.kind == kind and _may_answer(s, query, others)]

    def other_cameras(self, query: Sample) -> tuple[str, ...]:
        return tuple(sorted({sample.camera_id for sample in self.items.values()} - {query.camera_id}))


@dataclass(frozen=True, slots=True)
class Answer:
    """One question and its ranked hits, each with the sample it is a track of."""

    query: Sample
    gallery: Kind
    hits: tuple[tuple[Sample, Hit], ...]
    milliseconds: float
    n_relevant: int

    def right(self, sample: Sample) -> bool | None:
        """Whether a hit is the person asked for; None where nobody knows."""
        if self.query.person_id is None:
            return None
        return sample.person_id == self.query.person_id

    @property
    def ranking(self) -> Ranking:
        return Ranking(tuple(bool(self.right(sample)) for sample, _ in self.hits), self.n_relevant)


def fill(client: VillsClient, samples: Sequence[Sample], step: Callable[[], None]) -> Filled:
    """Upload all samples and wait until they are searchable; `step` is called twice for each.

    Raises:
        VillsError: the service is not there, or the key does not allow it.
        TimeoutError: a file is still not searchable after JOB_WAIT_S seconds.
    """
    filled = Filled(run=uuid.uuid4().hex)
    sent: list[tuple[Sample, Upload]] = []
    for sample in samples:
        upload = client.upload_video if sample.kind == "video" else client.upload_image
        try:
            accepted = upload(
                sample.path,
                camera_id=sample.camera_id,
                captured_at=sample.captured_at,
                tags={RUN_TAG: filled.run},
            )
            sent.append((sample, accepted))
        except (VillsError, OSError) as error:
            filled.refused.append((sample.path, _reason(error)))
            step()  # it will not be waited for
        step()
    for sample, accepted in sent:
        _wait(client, sample, accepted, filled)
        step()
    return filled


def _wait(client: VillsClient, sample: Sample, upload: Upload, filled: Filled) -> None:
    try:
        job = client.wait_for(upload.job_id, JOB_WAIT_S)
    except VillsError as error:
        filled.refused.append((sample.path, _reason(error)))
        return
    filled.items[upload.item_id] = sample
    filled.version = max(filled.version, job.gallery_version or 0)


def _reason(error: VillsError | OSError) -> str:
    """Why this one file was refused; an error that every file would meet is raised again."""
    if isinstance(error, OSError):
        return str(error)
    if error.status in (0, 401, 403):
        raise error
    return error.detail


def questions(filled: Filled) -> list[tuple[Sample, Kind]]:
    """Every sample and the kind to look for: the other kind where both are there, else its own. Images ask first."""
    kinds = sorted({sample.kind for sample in filled.items.values()})
    return [
        (query, kinds[-1 - place])
        for place, kind in enumerate(kinds)
        for query in filled.items.values()
        if query.kind == kind
    ]


def ask_all(client: VillsClient, filled: Filled, step: Callable[[], None]) -> list[Answer]:
    """Ask with every sample, every direction; `step` is called once for each question.

    A query that is refused is noted in `filled.refused` and has no answer.

    Raises:
        VillsError: the service is not there, or the key does not allow it.
    """
    answers = []
    for query, gallery in questions(filled):
        try:
            answers.append(_ask(client, filled, query, gallery))
        except VillsError as error:
            filled.refused.append((query.path, _reason(error)))
        step()
    return answers


def _ask(client: VillsClient, filled: Filled, query: Sample, gallery: Kind) -> Answer:
    others = filled.other_cameras(query)
    candidates = filled.candidates(query, gallery)
    options: QueryOptions = {
        "k": min(MOST_HITS, sum(sample.kind == gallery for sample in filled.items.values())),
        "target": "videos" if gallery == "video" else "images",
        "tags": {RUN_TAG: filled.run},
        "min_score": -1.0,  # whole rankings are judged
        "min_version": filled.version,
        "camera_ids": others if len(others) <= MOST_CAMERAS else (),
    }
    ask = client.query_image if query.kind == "image" else client.query_video
    result = ask(query.path, **options)
    known = [(filled.items[hit.item_id], hit) for hit in result.hits if hit.item_id in filled.items]
    hits = tuple((sample, hit) for sample, hit in known if _may_answer(sample, query, others))
    relevant = [s for s in candidates if query.person_id is not None and s.person_id == query.person_id]
    return Answer(query, gallery, hits, result.timings_ms.get("total", 0.0), len(relevant))


def _may_answer(sample: Sample, query: Sample, others: Collection[str]) -> bool:
    return sample != query and (not others or sample.camera_id in others)
