"""The drawn people are people to a network that has only seen real ones, and colour alone does not find them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from service.demo.baseline import colour_rankings
from service.demo.pictures import sample_frames
from service.demo.questions import Answer, Filled, questions
from service.demo.samples import Kind, Sample, draw_samples
from service.demo.scores import Ranking, Scores, scored
from tests.model.shared_files import shared_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Vector = npt.NDArray[np.float32]
KINDS: list[Kind] = ["image", "video"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The whole cast of the demo, as its service would hold it."""
    samples = draw_samples(tmp_path_factory.mktemp("cast"))
    return Filled("run", {str(number): sample for number, sample in enumerate(samples)})


@pytest.fixture(scope="module")
def colour(filled: Filled) -> dict[Kind, Scores]:
    """Scores of the colour histogram by the kind that asks."""
    answers = [Answer(query, kind, (), 0.0, 1) for query, kind in questions(filled)]
    rankings = colour_rankings(filled, answers)
    return {kind: _scores(answers, rankings, kind) for kind in KINDS}


def test_there_are_24_people_under_two_cameras(filled: Filled) -> None:
    assert {len(filled.candidates(query, kind)) for query, kind in questions(filled)} == {24}
    assert len({sample.person_id for sample in filled.items.values()}) == 24


@pytest.mark.parametrize("kind", KINDS)
def test_colour_alone_does_not_find_them(colour: dict[Kind, Scores], kind: Kind) -> None:
    assert colour[kind].n_queries == 48
    assert colour[kind].rank1 <= 0.7


def test_a_network_for_real_people_finds_them(filled: Filled, colour: dict[Kind, Scores]) -> None:
    encode = _encoder(shared_file("models/retail-0248.onnx"))
    vectors = {sample: encode(sample) for sample in filled.items.values()}
    for kind in KINDS:
        scores = scored(
            _ranked(query, filled.candidates(query, wanted), vectors)
            for query, wanted in questions(filled)
            if query.kind == kind
        )
        assert scores is not None
        assert scores.rank1 >= 0.85
        assert scores.rank1 >= colour[kind].rank1 + 0.2


def _scores(answers: list[Answer], rankings: list[Ranking], kind: Kind) -> Scores:
    same = [ranking for answer, ranking in zip(answers, rankings, strict=True) if answer.query.kind == kind]
    scores = scored(same)
    assert scores is not None
    return scores


def _ranked(query: Sample, candidates: list[Sample], vectors: dict[Sample, Vector]) -> Ranking:
    best = sorted(candidates, key=lambda sample: -float(vectors[query] @ vectors[sample]))
    return Ranking(tuple(sample.person_id == query.person_id for sample in best), 1)


def _encoder(network: Path) -> Callable[[Sample], Vector]:
    """The network as its description says: NHWC, BGR, 0-255, batch of one; unit mean over the frames."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def encode(sample: Sample) -> Vector:
        vectors = [
            session.run(None, {name: f[None, ..., ::-1].astype(np.float32)})[0][0] for f in sample_frames(sample)
        ]
        mean = np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    return encode
