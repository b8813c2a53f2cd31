"""One encoder on one data set under one protocol: everything `vills evaluate` says."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from model.data.records import Dataset, Track
from model.encoder import Encoder, EncoderCard, Rescorer
from model.evaluation.answers import (
    Answers,
    Ids,
    Numbers,
    Similarities,
    Vectors,
    answers_by_similarity,
    answers_of,
)
from model.evaluation.errors import EvaluationError
from model.evaluation.features import count_pictures, embed_tracks
from model.evaluation.frames import Frames
from model.evaluation.metrics import ApKind, Scores, scores_of
from model.evaluation.openset import OpenSet, open_set
from model.evaluation.protocols import Probe, Protocol, ids_of, probe_of
from model.evaluation.rerank import rerank
from model.evaluation.rescore import rescored
from model.evaluation.trained_on import persons_trained_on
from model.sampling import Sampling

Clips = Literal["sampled", "whole"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one protocol. `open_set` is always of plain cosines, which is what the service's scores are."""

    data: str
    protocol: Protocol
    reranked: bool
    scores: Scores
    open_set: OpenSet
    card: EncoderCard
    frames: Frames = "all"  # of each track that were shown
    rescored: int = 0  # candidates of each query that were compared again
    split: int | None = None  # of a data set that has several; None: the first
    persons_trained_on: int = 0  # of those asked for, as `model.evaluation.trained_on` counts them
    clips: Clips = "sampled"  # as the service cuts them, or each track whole
    without_queries: bool = False  # whether the gallery was without them, where it holds them otherwise

    def to_json(self) -> dict[str, Any]:
        """Rates in per cent; thresholds are cosines."""
        return {
            "protocol": self.protocol,
            **asdict(self.scores),
            "reranked": self.reranked,
            "rescored": self.rescored,
            "frames": self.frames,
            "clips": self.clips,
            "without_queries": self.without_queries,
            "data": self.data,
            "split": self.split,
            "persons_trained_on": self.persons_trained_on,
            "encoder": {
                "name": self.card.name,
                "fingerprint": self.card.fingerprint,
                "trained": self.card.trained,
                "licence": self.card.licence,
                "training_data": self.card.training_data,
            },
            "open_set": asdict(self.open_set),
        }


@dataclass(frozen=True, slots=True)
class Compared:
    """A probe with its vectors, and the similarities that re-ranking put in place of their cosines, if any.

    rescored: how many candidates of each query were compared again for that; 0 where all were re-ranked.
    """

    probe: Probe
    queries: Vectors  # (Q, D)
    gallery: Vectors  # (N, D)
    reranked: Similarities | None = None  # (Q, N)
    rescored: int = 0

    @property
    def query_ids(self) -> Ids:
        return ids_of(self.probe.queries)

    @property
    def gallery_ids(self) -> Ids:
        return ids_of(self.probe.gallery)

    def similarities(self, rows: Numbers) -> Similarities:
        """How alike some queries are to the whole gallery, by what they are ranked by: (R,) -> (R, N)."""
        return self.cosines(rows) if self.reranked is None else self.reranked[rows]

    def cosines(self, rows: Numbers) -> Similarities:
        """The same by cosine, whatever they are ranked by."""
        cosines: Similarities = self.queries[rows] @ self.gallery.T
        return cosines

    def answers(self) -> Answers:
        """Where the right answers stand by cosine. Raises as `model.evaluation.answers.answers_of`."""
        return answers_of(
            self.queries, self.gallery, self.query_ids, self.gallery_ids, same_camera=self.probe.same_camera
        )

    def reranked_answers(self) -> Answers | None:
        """The same after re-ranking; None where nothing was re-ranked."""
        if self.reranked is None:
            return None
        return answers_by_similarity(
            self.reranked, self.query_ids, self.gallery_ids, same_camera=self.probe.same_camera
        )


def evaluate(
    encoder: Encoder,
    dataset: Dataset,
    protocol: Protocol,
    *,
    reranked: bool = False,
    ap: ApKind = "precision at hits",
    batch_items: int = 32,
    step: Callable[[int], None] | None = None,
) -> Evaluation:
    """Embed what the protocol needs and score it. `step`: as for `embed_tracks`; `pictures_to_read` says how many.

    Raises:
        EvaluationError: the data set does not allow this protocol, or nothing in it has a right answer.
        DataError: a picture cannot be read.
        BadEmbedding: the network gave no direction for a clip or a track.
    """
    probes = [probe_of(dataset, protocol)]
    (compared,) = compare(encoder, probes, reranked=reranked, batch_items=batch_items, step=step)
    trained_on = persons_trained_on(encoder.card, dataset, probes)
    return replace(judge(compared, dataset.name, protocol, encoder.card, ap=ap), persons_trained_on=trained_on)


def compare(
    encoder: Encoder,
    probes: Sequence[Probe],
    *,
    reranked: bool = False,
    batch_items: int = 32,
    step: Callable[[int], None] | None = None,
) -> list[Compared]:
    """The first half of `evaluate`, for several probes: embed, each track once, and re-rank. Raises as it does."""
    distinct = _distinct(probes)
    rows = {track: row for row, track in enumerate(distinct)}
    vectors = embed_tracks(encoder, distinct, batch_items=batch_items, step=step)

    def of(probe: Probe) -> Compared:
        queries, gallery = (vectors[[rows[track] for track in side]] for side in (probe.queries, probe.gallery))
        return Compared(probe, queries, gallery, rerank(queries, gallery) if reranked else None)

    return [of(probe) for probe in probes]


def rescore(compared: Compared, encoder: Encoder, top: int, *, step: Callable[[int], None] | None = None) -> Compared:
    """The same with each query's first `top` candidates compared again. `step` is called with 1 for each query.

    Raises:
        EvaluationError: the encoder has no such comparison, or `top` is below 1.
        MissingData: a picture cannot be read.
    """
    vectors, sampling = (compared.queries, compared.gallery), encoder.card.sampling
    similarities = rescored(vectors, compared.probe, rescorer_of(encoder), top, sampling, step=step)
    return replace(compared, reranked=similarities, rescored=min(top, len(compared.gallery)))


def rescorer_of(encoder: Encoder) -> Rescorer[Any]:
    """The encoder's comparison of pairs. Raises EvaluationError where it has none."""
    if encoder.rescorer is None:
        raise EvaluationError(
            f"{encoder.card.name} compares vectors alone and nothing pair by pair: give weights of snippet, or leave "
            "re-scoring out"
        )
    return encoder.rescorer


def pictures_to_read(probes: Sequence[Probe], sampling: Sampling) -> int:
    """How many pictures `compare` reads."""
    return count_pictures(_distinct(probes), sampling)


def judge(
    compared: Compared,
    data: str,
    protocol: Protocol,
    card: EncoderCard,
    *,
    ap: ApKind = "precision at hits",
    frames: Frames = "all",
) -> Evaluation:
    """The second half of `evaluate`: score. `frames`: what the probe shows. Raises EvaluationError as it does."""
    answers = compared.answers()
    ranked = compared.reranked_answers() or answers
    scores = scores_of(ranked, ap=ap)
    reranked = compared.reranked is not None and not compared.rescored
    return Evaluation(data, protocol, reranked, scores, open_set(answers), card, frames, compared.rescored)


def best(compared: Sequence[Compared]) -> Compared:
    """The one with the highest Rank-1, then the highest mAP: the best single frame of those that were tried."""

    def worth(one: Compared) -> tuple[float, float]:
        scores = scores_of(one.reranked_answers() or one.answers())
        return scores.rank1, scores.map

    return compared[0] if len(compared) == 1 else max(compared, key=worth)


def _distinct(probes: Sequence[Probe]) -> list[Track]:
    sides: Iterable[Sequence[Track]] = (side for probe in probes for side in (probe.queries, probe.gallery))
    return list(dict.fromkeys(track for side in sides for track in side))
