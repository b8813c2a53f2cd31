"""Networks of a study tested once more in another way, figures gone on from, and a part of a study run alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from model.encoder import Encoder
from model.evaluation.evaluate import Compared, rescore
from tests.study.studies import a_study, ended, systems_study, told_in
from tests.systems.tiny import TINY, draw_trunk, toml
from tests.training.drawn import draw_people


@pytest.mark.timeout(300)
def test_pairs_compared_again_are_a_variant_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    again: list[int] = []

    def spied(compared: Compared, encoder: Encoder, top: int, *, step: Callable[[int], None]) -> Compared:
        again.append(top)
        return rescore(compared, encoder, top, step=step)

    monkeypatch.setattr("model.study.run.rescore", spied)
    draw_people(tmp_path / "people")
    file, trunk = tmp_path / "study.toml", ["--stem-weights", str(draw_trunk(tmp_path))]
    (tmp_path / "run.toml").write_text(
        'system = "snippet"\nsources = [{ data = "csv", share = 2 }]\nschedule = { steps = 1, warmup = 0 }\n'
        f"settings = {toml(TINY['snippet'])}\n"
    )
    ways = [
        f'[[variants]]\nname = "{name}"\n{more}system = [{{ config = "{tmp_path}/run.toml" }}]\n'
        for name, more in (("plain", ""), ("pairs", 'rescore = 2\npublished = "81.2 / 69.4"\n'))
    ]
    ways[1] = ways[1].replace(f'system = [{{ config = "{tmp_path}/run.toml" }}]', 'like = "plain"')
    head = 'tests = [{ data = "csv", protocols = ["i2i", "v2v"] }]\n'
    file.write_text(head + "".join(ways))
    told = tmp_path / "told.json"
    command = ["compare", str(file), "--data", f"csv={tmp_path / 'people'}", *trunk, "--out", str(tmp_path / "out")]
    assert ended([*command, "--json", str(told)]) == 0
    assert again == [2, 2]  # i2i and v2v of the second one
    assert [each.name for each in (tmp_path / "out" / "study" / "pairs" / "1").iterdir()] == ["result.json"]
    assert {(row.variant, row.rescored) for row in told_in(told)} == {("plain", 0), ("pairs", 2)}
    assert "| 81.2 / 69.4 |" in capsys.readouterr().out
    file.write_text(head + ways[0] + ways[1].replace("rescore = 2", "rescore = 3"))
    assert ended(command) == 2 and "another configuration than the study now has for pairs" in capsys.readouterr().err


@pytest.mark.timeout(300)
def test_trained_networks_are_tested_again_with_a_part_switched_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people", {"seen": lambda person, frame: "badly" if person and frame == 1 else ""})
    file, told = systems_study(tmp_path), tmp_path / "told.json"
    again = '[[variants]]\nname = "as-seen"\nlike = "vrstc"\nsettings = { completion = "off" }\n'
    file.write_text(file.read_text() + again)
    base = ["compare", str(file), "--stem-weights", str(draw_trunk(tmp_path)), "--data", f"csv={tmp_path / 'people'}"]
    command = [*base, "--out", str(tmp_path / "out")]
    assert ended([*command, "--json", str(told)]) == 0, capsys.readouterr().err
    rows = {row.variant: row for row in told_in(told)}
    assert rows["as-seen"].parameters < rows["vrstc"].parameters, "what completes is no part of the network then"
    found = tmp_path / "out" / "systems" / "as-seen" / "2"
    assert [each.name for each in found.iterdir()] == ["result.json"]

    # The figures alone, without the networks, are enough to go on; and are those of these settings alone.
    for other in (tmp_path / "out" / "systems").rglob("result.json"):
        there = tmp_path / "known" / other.relative_to(tmp_path / "out")
        there.parent.mkdir(parents=True)
        shutil.copy(other, there)
    capsys.readouterr()
    assert ended([*base, "--out", str(tmp_path / "known")]) == 0
    shown = capsys.readouterr()
    assert "seed 2" not in shown.err and all(f"| {name} |" in shown.out for name in ("sta", "vrstc", "as-seen"))
    file.write_text(file.read_text().replace('completion = "off" }\n', 'completion = "off", last_stride = 2 }\n'))
    assert ended(command) == 2 and "another configuration than the study now has for as-seen" in capsys.readouterr().err


def test_figures_found_before_a_setting_had_a_name_are_still_those_of_its_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people")
    study = a_study(tmp_path)
    text = study.read_text().replace("[1, 2]", "[1]").partition("[[variants]]")[0]
    study.write_text(text + '[[variants]]\nname = "a"\npretrain = false\n')
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(tmp_path / "out")]
    assert ended(command) == 0
    file = tmp_path / "out" / "study" / "a" / "1" / "result.json"
    found = json.loads(file.read_text())
    del found["runs"]["finetune"]["schedule"]["clip"]
    file.write_text(json.dumps(found))
    capsys.readouterr()
    assert ended(command) == 0 and "a, seed 1" not in capsys.readouterr().err
    found["runs"]["finetune"]["schedule"]["clip"] = 0.5
    file.write_text(json.dumps(found))
    assert ended(command) == 2 and "another configuration" in capsys.readouterr().err


@pytest.mark.timeout(300)
def test_a_part_of_a_study_is_run_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_people(tmp_path / "people")
    out = tmp_path / "out"
    command = ["compare", str(a_study(tmp_path)), "--data", f"csv={tmp_path / 'people'}", "--out", str(out)]
    assert ended([*command, "--only", "plain", "--seed", "2"]) == 0
    shown = capsys.readouterr()
    assert "| plain |" in shown.out and "| whole |" not in shown.out and "±" not in shown.out
    assert [each.relative_to(out).as_posix() for each in out.rglob("result.json")] == ["study/plain/2/result.json"]
    for choice, said in (
        (["--only", "plane"], "no variant is called plane: there are plain, whole"),
        (["--seed", "7"], "no study has the seed 7: there are [1, 2]"),
    ):
        assert ended([*command, *choice]) == 2 and said in capsys.readouterr().err
