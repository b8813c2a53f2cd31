"""`vills calibrate`: what is fitted, and that nothing but the header of the weights changes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file

from model.build import build_encoder
from model.data.build import load_dataset
from model.errors import WeightsMismatch, WeightsUnwritable
from model.evaluation.answers import Answers
from model.evaluation.calibration import asked_of, calibrate, pooled
from model.evaluation.errors import EvaluationError
from model.evaluation.evaluate import evaluate
from model.evaluation.openset import open_set
from model.weights import Origin, load_weights, save_weights, write_calibration
from service.commands.main import main
from tests.evaluation.test_command import FEED, drawn, network  # noqa: F401  (fixtures)
from tests.model.small import SMALL, small_network

ORIGIN = Origin(trained=True, licence="CC0", training_data="drawn")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["calibrate", *arguments])
    return int(caught.value.code or 0)


def answers(right: list[float], wrong: list[float]) -> Answers:
    ones = np.ones(len(right), np.int64)
    return Answers(ones, ones, np.array(right, np.float32), np.array(wrong, np.float32), 1, len(right))


def test_pooled_searches_are_those_of_one_longer_list() -> None:
    one, other = answers([0.9, 0.8], [0.3, 0.5]), answers([0.7, 0.4, 0.6], [0.2, 0.6, 0.1])
    both = pooled([one, other])
    assert open_set(both) == open_set(answers([0.9, 0.8, 0.7, 0.4, 0.6], [0.3, 0.5, 0.2, 0.6, 0.1]))
    assert (both.left_out, both.gallery) == (2, 3)


def test_one_protocol_alone_gives_what_evaluate_says(drawn: Path, network: Path) -> None:  # noqa: F811
    encoder = build_encoder(f"onnx:{network}", threads=1)
    dataset = load_dataset("csv", drawn)
    steps: list[int] = []
    asked = asked_of(dataset, ["v2v"])
    fitted = calibrate(encoder, asked, step=steps.append)
    told = evaluate(encoder, dataset, "v2v").open_set
    assert (fitted.calibration, fitted.cost) == (told.calibration, told.at_threshold)
    assert sum(steps) == asked.pictures(encoder.card.sampling)
    twice = calibrate(encoder, asked_of(dataset, ["v2v", "v2v"]))
    assert twice.cost.fnir == fitted.cost.fnir


def test_weights_get_a_calibration_and_nothing_else_changes(
    drawn: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VILLS_THREADS", "1")
    path = drawn / "small.safetensors"
    save_weights(path, small_network(config=dataclasses.replace(SMALL, name="vills-tiny")), ORIGIN, half=True)
    before, card = load_file(path), build_encoder("vills-tiny", weights=path, device="cpu", threads=1).card
    monkeypatch.setattr("model.evaluation.calibration.answers_of", lambda *_, **__: answers([0.9, 0.8], [0.3, 0.4]))
    assert run("--weights", str(path), "--data", "csv", "--root", str(drawn)) == 0
    told = capsys.readouterr().out
    assert f"written into {path}" in told and "0.0 % of strangers reach it" in told
    after = build_encoder("vills-tiny", weights=path, device="cpu", threads=1).card
    assert after.calibration is not None and 0.4 < after.calibration[0] < 0.8
    assert dataclasses.replace(after, calibration=None) == card
    kept = load_file(path)
    assert kept.keys() == before.keys()
    assert all(kept[name].dtype == before[name].dtype and kept[name].equal(before[name]) for name in before)
    assert load_weights(path).origin == dataclasses.replace(ORIGIN, calibration=after.calibration)
    assert not list(drawn.glob("*.part"))


def test_of_an_onnx_network_the_line_is_told_and_its_space_stays(
    drawn: Path,  # noqa: F811
    network: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    description = network.with_suffix(".toml")
    description.write_text(f'{FEED}training_data = "csv"\n')
    card = build_encoder(f"onnx:{network}", threads=1).card
    assert run("--weights", f"onnx:{network}", "--data", "csv", "--root", str(drawn), "--protocol", "i2v") == 0
    told = capsys.readouterr()
    assert told.err.startswith("warning: 4 of the persons asked for") and told.err.count("\n") == 1
    line = told.out.splitlines()[-1].strip()
    assert line.startswith("calibration = [0.")
    description.write_text(f"{description.read_text()}\n{line}\n")
    again = build_encoder(f"onnx:{network}", threads=1).card
    assert again.calibration is not None
    assert dataclasses.replace(again, calibration=None) == card


def test_scores_that_say_nothing_are_no_calibration(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    path = drawn / "small.safetensors"
    save_weights(path, small_network(config=dataclasses.replace(SMALL, name="vills-tiny")), ORIGIN)
    before = path.read_bytes()
    monkeypatch.setattr("model.evaluation.calibration.answers_of", lambda *_, **__: answers([0.2, 0.3], [0.8, 0.9]))
    with pytest.raises(EvaluationError, match="vills-tiny cannot be calibrated on these data"):
        calibrate(
            build_encoder("vills-tiny", weights=path, device="cpu", threads=1),
            asked_of(load_dataset("csv", drawn)),
        )
    assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_old_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "small.safetensors"
    save_weights(path, small_network(), ORIGIN)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(WeightsUnwritable, match="No space"):
        patch.setattr("model.weights.save", full)
        write_calibration(path, (0.5, 9.0))
    assert path.read_bytes() == before
    with pytest.raises(WeightsMismatch, match="cannot be read"):
        write_calibration(tmp_path / "absent.safetensors", (0.5, 9.0))
    write_calibration(path, (0.5, 9.0))
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["calibration"] == "[0.5, 9.0]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "default", "--data", "csv", "--root", "."], "names the file to write into"),
        (["--weights", "x", "--data", "csv", "--root", ".", "--protocol", "v2w"], "one of i2i, i2v, v2i, v2v"),
        (["--weights", "lost.safetensors", "--data", "csv", "--root", "{drawn}"], "lost.safetensors cannot be read"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    drawn: Path,  # noqa: F811
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*(argument.format(drawn=drawn) for argument in arguments)) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
