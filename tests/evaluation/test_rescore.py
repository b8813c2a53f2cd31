"""The first candidates compared again: an order of their own above all others, each track read once."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.data.pack import read_picture
from model.encoder import Frames, Rescorer, Scores
from model.evaluation.errors import EvaluationError
from model.evaluation.evaluate import compare, rescore
from model.evaluation.protocols import Probe
from model.sampling import frame_indices
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.weights import Origin, save_weights
from service.commands.main import main
from tests.evaluation.test_features import draw_tracks
from tests.systems.tiny import TINY
from tests.training.drawn import draw_people
from tests.worker.colour_encoder import SAMPLING, ColourEncoder


class Brightness(Rescorer[float]):
    """Two tracks are the more alike, the brighter the candidate is: unlike anything that a cosine says."""

    def __init__(self) -> None:
        self.read_lengths: list[int] = []

    def read(self, frames: Frames) -> float:
        self.read_lengths.append(len(frames))
        return float(frames.mean()) / 255

    def scores(self, query: float, candidates: Sequence[float]) -> Scores:
        return np.array(candidates)


@pytest.mark.parametrize("top", [1, 3, 6, 99])
def test_candidates_come_first_in_the_order_of_their_scores(tmp_path: Path, top: int) -> None:
    tracks = draw_tracks(tmp_path, 1, 7, 4, 30, 5, 2)
    encoder, look = ColourEncoder(), Brightness()
    encoder.rescorer = look
    (plain,) = compare(encoder, [Probe(tracks[:2], tracks)])
    steps: list[int] = []
    again = rescore(plain, encoder, top, step=steps.append)
    rows = np.arange(2)
    before, after = plain.similarities(rows), again.similarities(rows)
    for row, (cosines, similarities) in enumerate(zip(before, after, strict=True)):
        order = np.argsort(-cosines, kind="stable")
        first = order[order != row][:top]  # the query itself, seen by its own camera, is nobody to compare with
        rest = np.setdiff1d(np.arange(len(tracks)), first)
        assert similarities[first].min() > cosines.max()
        np.testing.assert_allclose(similarities[rest], cosines[rest], rtol=1e-5)
        bright = [look.read(encoder_frames(tracks[place].paths)) for place in first]
        np.testing.assert_array_equal(np.argsort(-similarities[first]), np.argsort(-np.array(bright)))
    assert steps == [1, 1] and again.rescored == min(top, len(tracks))


def test_scores_that_float32_would_take_for_one_are_told_apart_and_equal_ones_are_not(tmp_path: Path) -> None:
    tracks = draw_tracks(tmp_path, 1, 1, 1, 1)

    class Faint(Rescorer[None]):
        def read(self, frames: Frames) -> None: ...

        def scores(self, query: None, candidates: Sequence[None]) -> Scores:
            return np.array([1e-12, 2e-12, 1e-12])

    encoder = ColourEncoder()
    encoder.rescorer = Faint()
    (plain,) = compare(encoder, [Probe(tracks[:1], tracks)])
    (found,) = rescore(plain, encoder, 3).similarities(np.arange(1))
    assert len(np.unique(found[1:])) == 2 and found[1:].min() > found[0]


def encoder_frames(paths: Sequence[Path]) -> Frames:
    places = [place for clip in frame_indices(len(paths), SAMPLING) for place in clip]
    return np.stack([read_picture(paths[place], SAMPLING.height, SAMPLING.width) for place in places])


def test_a_track_is_read_once_and_a_long_one_as_the_encoder_samples_it(tmp_path: Path) -> None:
    tracks = draw_tracks(tmp_path, 3, 40)
    encoder, look = ColourEncoder(), Brightness()
    encoder.rescorer = look
    (plain,) = compare(encoder, [Probe(tracks, tracks)])
    rescore(plain, encoder, 2)
    assert sorted(look.read_lengths) == [3, 16], "at most four clips of four"


def test_an_encoder_of_vectors_alone_cannot(tmp_path: Path) -> None:
    tracks = draw_tracks(tmp_path, 1, 2)
    (plain,) = compare(ColourEncoder(), [Probe(tracks, tracks)])
    with pytest.raises(EvaluationError, match=r"compares vectors alone.*weights of snippet"):
        rescore(plain, ColourEncoder(), 1)
    encoder = ColourEncoder()
    encoder.rescorer = Brightness()
    with pytest.raises(EvaluationError, match="at least the first candidate"):
        rescore(plain, encoder, 0)


def evaluate(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "--data", "csv", *arguments])
    return int(ended.value.code or 0)


def test_the_command_compares_by_snippet_s_own_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_people(tmp_path / "people")
    weights, told = tmp_path / "snippet.safetensors", tmp_path / "told.json"
    origin = Origin(trained=True, licence="CC0", training_data="none")
    save_weights(weights, drawn_system(system_config("snippet", TINY["snippet"])), origin)
    where = ["--root", str(tmp_path / "people"), "--weights", str(weights), "--protocol", "v2v", "--json", str(told)]
    assert evaluate(*where, "--rescore", "3") == 0
    figures = json.loads(told.read_text())
    assert (figures["rescored"], figures["reranked"], figures["queries"]) == (3, False, 8)
    assert "the first 3 compared again" in capsys.readouterr().out
    assert evaluate(*where, "--rescore", "3", "--rerank") == 2
    assert "leave --rerank and --frames out" in capsys.readouterr().err
    save_weights(weights, drawn_system(system_config("baseline", TINY["baseline"])), origin)
    assert evaluate(*where, "--rescore", "3") == 2
    assert "baseline compares vectors alone" in capsys.readouterr().err
