"""The calibration that weights carry: from scores on a data set to the service's `confidence` and `min_score`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.data.records import Dataset, Track
from model.encoder import Encoder
from model.evaluation.answers import Answers, answers_of
from model.evaluation.errors import EvaluationError
from model.evaluation.features import count_pictures, embed_tracks
from model.evaluation.openset import Point, open_set
from model.evaluation.protocols import Probe, Protocol, ids_of, probe_of
from model.sampling import Sampling

# What the service is asked: a gallery of tracks, with a picture or with a clip of somebody.
ASKED: tuple[Protocol, ...] = ("i2v", "v2v")


@dataclass(frozen=True, slots=True)
class Fitted:
    """`calibration` is (midpoint, slope); `cost` are the error rates of a search that leaves out what scores below."""

    calibration: tuple[float, float]
    cost: Point


@dataclass(frozen=True, slots=True)
class Asked:
    """The probes a calibration is made from, and every distinct track in them."""

    probes: tuple[Probe, ...]
    tracks: tuple[Track, ...]

    def pictures(self, sampling: Sampling) -> int:
        """How many pictures `calibrate` reads."""
        return count_pictures(self.tracks, sampling)


def asked_of(dataset: Dataset, protocols: Sequence[Protocol] = ASKED) -> Asked:
    """The probes of some protocols on one data set. Raises as `model.evaluation.protocols.probe_of`."""
    probes = tuple(probe_of(dataset, protocol) for protocol in protocols)
    return Asked(probes, tuple(dict.fromkeys(track for probe in probes for track in (*probe.queries, *probe.gallery))))


def calibrate(
    encoder: Encoder, asked: Asked, *, batch_items: int = 32, step: Callable[[int], None] | None = None
) -> Fitted:
    """Error rates and calibration of an encoder over the searches of all probes together.

    One logistic serves pictures and clips alike, because the service has one space and one threshold for both: the
    first answers of I2V and V2V searches are pooled, each query asked once with its person in the gallery and once
    without (`model.evaluation.openset`; the fit is Platt's, 1999).

    Choose data whose persons were not trained on: Market-1501's test part for the weights that come with the product.
    Its cameras were trained on, so on cameras nobody trained on the confidence errs to the high side; its gallery of
    some thousand tracks makes it err to the low side in smaller galleries, where fewer strangers can look alike.

    Raises:
        EvaluationError: scores of right answers are not above those of wrong ones, or so few searches are right that
            no cosine would be likely.
        DataError, BadEmbedding: as `model.evaluation.evaluate.evaluate`.
    """
    rows = {track: row for row, track in enumerate(asked.tracks)}
    vectors = embed_tracks(encoder, list(asked.tracks), batch_items=batch_items, step=step)

    def of(probe: Probe) -> Answers:
        queries, gallery = ([rows[track] for track in tracks] for tracks in (probe.queries, probe.gallery))
        ids = ids_of(probe.queries), ids_of(probe.gallery)
        return answers_of(vectors[queries], vectors[gallery], *ids, same_camera=probe.same_camera)

    found = open_set(pooled([of(probe) for probe in asked.probes]))
    if found.calibration is None or found.at_threshold is None or not -1 < found.calibration[0] < 1:
        raise EvaluationError(
            f"{encoder.card.name} cannot be calibrated on these data: its right answers do not score above its wrong "
            f"ones (midpoint and slope {found.calibration}): train it first, or take other data"
        )
    return Fitted(found.calibration, found.at_threshold)


def pooled(answers: Sequence[Answers]) -> Answers:
    """The searches of several probes as if they were of one; the gallery is that of the largest."""
    return Answers(
        places=np.concatenate([each.places for each in answers]),
        counts=np.concatenate([each.counts for each in answers]),
        best_right=np.concatenate([each.best_right for each in answers]),
        best_wrong=np.concatenate([each.best_wrong for each in answers]),
        left_out=sum(each.left_out for each in answers),
        gallery=max(each.gallery for each in answers),
    )
