"""The same questions answered by colour alone."""

from collections.abc import Sequence

import numpy as np

from service.demo.histogram import BINS, Vector, intersections, mean_histogram
from service.demo.pictures import sample_frames
from service.demo.questions import Answer, Filled
from service.demo.samples import Sample
from service.demo.scores import Ranking


def colour_rankings(filled: Filled, answers: Sequence[Answer]) -> list[Ranking]:
    """For each answer the ranking of the same candidates by their colour histograms, in the same order."""
    colours = {sample: _colours(sample) for sample in filled.items.values()}
    return [_ranking(filled, answer, colours) for answer in answers]


def _ranking(filled: Filled, answer: Answer, colours: dict[Sample, Vector]) -> Ranking:
    candidates = filled.candidates(answer.query, answer.gallery)
    if not candidates:
        return Ranking((), 0)
    gallery = np.stack([colours[sample] for sample in candidates])
    overlaps = intersections(colours[answer.query][None], gallery)[0]
    order = np.argsort(-overlaps, kind="stable")
    return Ranking(tuple(bool(answer.right(candidates[i])) for i in order), answer.n_relevant)


def _colours(sample: Sample) -> Vector:
    frames = sample_frames(sample)
    return mean_histogram(frames) if frames else np.zeros(BINS**3, np.float32)
