"""One encoder on one data set under one protocol: everything `vills evaluate` says."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from model.data.records import Dataset, Track
from model.encoder import Encoder, EncoderCard
from model.evaluation.answers import Vectors, answers_by_similarity, answers_of
from model.evaluation.features import count_pictures, embed_tracks
from model.evaluation.metrics import ApKind, Scores, scores_of
from model.evaluation.openset import OpenSet, open_set
from model.evaluation.protocols import Probe, Protocol, ids_of, probe_of
from model.evaluation.rerank import rerank
from model.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one protocol. `open_set` is always of plain cosines, which is what the service's scores are."""

    data: str
    protocol: Protocol
    reranked: bool
    scores: Scores
    open_set: OpenSet
    card: EncoderCard

    def to_json(self) -> dict[str, Any]:
        """Rates in per cent; thresholds are cosines."""
        return {
            "protocol": self.protocol,
            **asdict(self.scores),
            "reranked": self.reranked,
            "data": self.data,
            "encoder": {
                "name": self.card.name,
                "fingerprint": self.card.fingerprint,
                "trained": self.card.trained,
                "licence": self.card.licence,
                "training_data": self.card.training_data,
            },
            "open_set": asdict(self.open_set),
        }


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
    probe = probe_of(dataset, protocol)
    queries, gallery = embed_probe(encoder, probe, batch_items=batch_items, step=step)
    query_ids, gallery_ids = ids_of(probe.queries), ids_of(probe.gallery)
    answers = answers_of(queries, gallery, query_ids, gallery_ids, same_camera=probe.same_camera)
    ranked = answers
    if reranked:
        similarities = rerank(queries, gallery)
        ranked = answers_by_similarity(similarities, query_ids, gallery_ids, same_camera=probe.same_camera)
    return Evaluation(dataset.name, protocol, reranked, scores_of(ranked, ap=ap), open_set(answers), encoder.card)


def embed_probe(
    encoder: Encoder, probe: Probe, *, batch_items: int = 32, step: Callable[[int], None] | None = None
) -> tuple[Vectors, Vectors]:
    """Unit rows of the queries (Q, D) and of the gallery (N, D); a track that is in both is embedded once."""
    distinct = _distinct(probe)
    rows = {track: row for row, track in enumerate(distinct)}
    vectors = embed_tracks(encoder, distinct, batch_items=batch_items, step=step)
    return vectors[[rows[track] for track in probe.queries]], vectors[[rows[track] for track in probe.gallery]]


def pictures_to_read(probe: Probe, sampling: Sampling) -> int:
    """How many pictures `embed_probe` reads."""
    return count_pictures(_distinct(probe), sampling)


def _distinct(probe: Probe) -> list[Track]:
    both: Iterable[Track] = (*probe.queries, *probe.gallery)
    return list(dict.fromkeys(both))
