"""A study: all variants trained and tested alike, gone on with where it stopped, and one table."""

import json
import re
import shutil
from pathlib import Path

import pytest

from model.training.folder import claimed
from model.vills.config import VillsConfig
from model.vills.network import Vills
from model.weights import load_weights
from service.commands.main import main
from tests.study.studies import CLAIM, a_study, ended, systems_study, told_in
from tests.systems.tiny import draw_trunk
from tests.training.drawn import draw_people


@pytest.mark.timeout(300)
def test_every_variant_and_seed_is_tested_and_nothing_is_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people")
    told, out = tmp_path / "told.json", tmp_path / "out"
    command = ["compare", str(a_study(tmp_path)), "--data", f"csv={tmp_path / 'people'}", "--out", str(out)]
    for said in (["whole, seed 1", "plain, seed 1", "whole, seed 2", "plain, seed 2"], ["plain, seed 2"]):
        with pytest.raises(SystemExit) as ended:
            main([*command, "--json", str(told)])
        assert ended.value.code == 0
        shown = capsys.readouterr()
        assert [line for line in shown.err.splitlines() if re.fullmatch(r"\w+, seed \d", line)] == said
        assert "| plain |" in shown.out and "±" in shown.out
        (out / "study" / "plain" / "2" / "result.json").unlink()
    rows = told_in(told)
    assert {(row.variant, row.seed, row.protocol) for row in rows} == {
        (variant, seed, protocol) for variant in ("whole", "plain") for seed in (1, 2) for protocol in ("i2i", "v2v")
    }
    assert not (out / "study" / "plain" / "1" / "pretrain").exists()
    assert (out / "study" / "whole" / "1" / "pretrain").exists()
    weights = load_weights(out / "study" / "whole" / "1" / "finetune" / "weights.safetensors")
    assert isinstance(weights.config, VillsConfig)
    learnt = sum(each.numel() for each in Vills(weights.config).parameters())
    assert {row.parameters for row in rows if row.variant == "whole"} == {learnt}
    assert all(row["clip_ms"] > 0 for row in json.loads(told.read_text()))


@pytest.mark.timeout(300)
def test_published_systems_are_variants_whose_stages_follow_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people", {"seen": lambda person, frame: "badly" if person and frame == 1 else ""})
    out, told = tmp_path / "out", tmp_path / "told.json"
    study = systems_study(tmp_path)
    study.write_text(study.read_text() + CLAIM)
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(out)]
    assert ended([*command, "--stem-weights", str(draw_trunk(tmp_path)), "--json", str(told)]) == 0, (
        capsys.readouterr().err
    )
    rows = told_in(told)
    assert [(row.variant, row.where) for row in rows] == [
        (variant, where) for variant in ("sta", "vrstc") for where in ("", "seen=badly")
    ]
    ran = out / "systems" / "vrstc" / "2"
    assert sorted(each.name for each in ran.iterdir() if each.is_dir()) == ["1-run", "2-run", "3-run"]
    config = json.loads((ran / "2-run" / "config.json").read_text())["config"]
    assert config["schedule"]["lr"] == 1e-4 and config["tracks"] == 2
    origin = load_weights(ran / "2-run" / "weights.safetensors").origin
    assert origin.training_data == "csv; stem begun from trunk", "it began with the first stage's weights"
    table, claims = capsys.readouterr().out.strip().split("\n\n")
    assert table.startswith("| variant | csv v2v | csv v2v seen=badly | parameters | ms a clip |")
    row = claims.splitlines()[-1]
    assert row.startswith("| parts help | sta, vrstc | csv v2v seen=badly |") and row.endswith(" of 1 |")


def test_several_studies_make_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_people(tmp_path / "people")
    first = a_study(tmp_path)
    text = first.read_text().replace("[1, 2]", "[1]").partition("[[variants]]")[0]
    first.write_text(text + '[[variants]]\nname = "a"\npretrain = false\n')
    second = tmp_path / "pictures.toml"
    second.write_text('base = "study.toml"\ntests = [{ data = "csv", protocols = ["i2v"] }]\n')
    command = ["compare", str(first), str(second), "--data", f"csv={tmp_path / 'people'}", "--out", str(tmp_path / "o")]
    assert ended(command) == 0
    head, _, row = capsys.readouterr().out.strip().splitlines()
    assert head == "| variant | csv i2i | csv v2v | csv i2v | parameters | ms a clip |" and row.count("/") == 3
    assert ended([*command, str(first)]) == 2 and "two of the studies have one name" in capsys.readouterr().err
    second.write_text('base = "study.toml"\nseeds = [2]\n')
    assert ended(command) == 2
    assert "study and pictures both test a on csv i2i, which one table cannot tell apart" in capsys.readouterr().err


def test_a_column_that_no_query_has_is_told_before_the_first_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people")
    trunk = ["--stem-weights", str(draw_trunk(tmp_path))]
    command = ["compare", str(systems_study(tmp_path)), "--data", f"csv={tmp_path / 'people'}", *trunk]
    assert ended([*command, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "no query track of csv has a frame with {'seen': 'badly'}: seen is none of its further columns" in said
    assert not (tmp_path / "out").exists()
    shutil.rmtree(tmp_path / "people")
    draw_people(tmp_path / "people", {"seen": lambda person, frame: "well"})
    assert ended([*command, "--out", str(tmp_path / "out")]) == 2 and "seen is well; change" in capsys.readouterr().err


def test_results_of_another_study_are_not_taken_for_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_people(tmp_path / "people")
    study = a_study(tmp_path)
    text = study.read_text().replace("[1, 2]", "[1]").partition("[[variants]]")[0]
    text += '[[variants]]\nname = "a"\npretrain = false\n'
    study.write_text(text)
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(tmp_path / "out")]
    assert ended(command) == 0
    result = tmp_path / "out" / "study" / "a" / "1" / "result.json"
    other = [
        (text.replace('"i2i", "v2v"', '"i2i"'), "is of other tests than the study now has: remove it to test"),
        (text + 'finetune = { "schedule.lr" = 1e-5 }\n', "is of another configuration than the study now has for a"),
    ]
    for changed, said in other:
        study.write_text(changed)
        capsys.readouterr()
        assert ended(command) == 2 and f"{result} {said}" in capsys.readouterr().err
    study.write_text(text)
    whole = result.read_text()
    for damaged in ("half", whole.replace('"rank1": ', '"rank1": "x", "was": '), whole.replace('"a"', "null")):
        result.write_text(damaged)
        assert ended(command) == 2 and f"{result} cannot be read" in capsys.readouterr().err
    result.write_text(whole.replace('"seed": 1', '"seed": 9'))
    assert ended(command) == 2 and "is of another configuration" in capsys.readouterr().err


def test_results_of_other_data_are_not_taken_for_these(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_people(tmp_path / "people")
    study, weights = a_study(tmp_path), tmp_path / "begin.safetensors"
    text = study.read_text().replace("[1, 2]", "[1]").partition("[[variants]]")[0]
    study.write_text(text + '[[variants]]\nname = "a"\npretrain = false\n')
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(tmp_path / "out")]
    assert ended(command) == 0
    shutil.copy(tmp_path / "out" / "study" / "a" / "1" / "finetune" / "weights.safetensors", weights)
    capsys.readouterr()
    assert ended([*command, "--weights", str(weights)]) == 2
    assert "found with other data or other weights" in capsys.readouterr().err
    manifest = tmp_path / "people" / "manifest.csv"
    manifest.write_text("\n".join(manifest.read_text().splitlines()[:-1]) + "\n")
    assert ended(command) == 2 and "found with other data or other weights" in capsys.readouterr().err


def test_each_variant_is_tested_as_the_encoder_it_is(tmp_path: Path) -> None:
    draw_people(tmp_path / "people")
    study = a_study(tmp_path)
    head = study.read_text().replace("[1, 2]", "[1]").partition("[[variants]]")[0]
    sizes = '"network.channels" = 12, "network.depth" = 1'
    ways = [f'[[variants]]\nname = "{name}"\npretrain = false\n' for name in ("tiny", "small")]
    changes = [f"finetune = {{ {sizes} }}\n", f'finetune = {{ {sizes}, "network.encoder" = "vills-small" }}\n']
    study.write_text(head + ways[0] + changes[0] + ways[1] + changes[1])
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(tmp_path / "out")]
    assert ended(command) == 0


def test_what_is_missing_shows_before_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_people(tmp_path / "people")
    study, out = a_study(tmp_path), tmp_path / "out"
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(out)]
    assert ended([*command, "--json", str(tmp_path / "none" / "told.json")]) == 2
    assert "make it, or name another with --json" in capsys.readouterr().err
    assert ended([*command, "--json", "/proc/told.json"]) == 2
    assert "/proc/told.json cannot be written" in capsys.readouterr().err
    study.write_text(
        study.read_text() + '[[variants]]\nname = "c"\nfinetune = { sources = [{ data = "mars", share = 2 }] }\n'
    )
    assert ended(command) == 2 and "c trains on mars and no folder is given" in capsys.readouterr().err
    for lacks, said in [
        ('finetune = { teachers = ["onnx:none"] }', "none does not exist"),
        ('pretrain = { "regions.proposer" = "pose" }', "need the pose network: --pose FILE"),
        (
            'finetune = { network = { encoder = "vills-light", width = 64, height = 128 } }',
            "and its runs are of one network",
        ),
        ('pretrain = false\nfinetune = { network = { encoder = "vills-light", width = 64 } }', "--stem-weights"),
    ]:
        study = a_study(tmp_path)
        study.write_text(study.read_text() + f'[[variants]]\nname = "c"\n{lacks}\n')
        assert ended(command) == 2 and said in capsys.readouterr().err, lacks
    (tmp_path / "people" / "0-0-0.png").unlink()
    study = a_study(tmp_path)
    assert ended(command) == 2 and "0-0-0.png is not there" in capsys.readouterr().err
    study.write_text(study.read_text().replace('"network.adapters" = false', '"network.height" = 100'))
    assert ended(command) == 2 and "100 x 32 pixels do not divide" in capsys.readouterr().err
    assert not out.exists()


def test_a_variant_is_announced_when_it_has_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: where another process trained it, this one said that it began."""
    draw_people(tmp_path / "people")
    out = tmp_path / "out"
    command = ["compare", str(a_study(tmp_path)), "--data", f"csv={tmp_path / 'people'}", "--out", str(out)]
    folder = out / "study" / "plain" / "1" / "finetune"
    with claimed(folder):
        assert ended([*command, "--only", "plain", "--seed", "1"]) == 2
    said = capsys.readouterr().err
    assert f"another process trains in {folder}" in said and "plain, seed 1" not in said


def test_a_data_set_without_a_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(a_study(tmp_path)), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2 and "--data csv=DIR" in capsys.readouterr().err


def test_a_pose_network_that_no_run_would_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_people(tmp_path / "people")
    study = a_study(tmp_path)
    pose = ["--pose", str(tmp_path / "pose.tflite")]
    command = ["compare", str(study), "--data", f"csv={tmp_path / 'people'}", "--out", str(tmp_path / "out"), *pose]
    assert ended(command) == 2
    assert "no run takes its regions from body keypoints: leave it out" in capsys.readouterr().err
    # One variant is enough. Then the network has to be there, before the first run.
    with_bodies = '[[variants]]\nname = "posed"\npretrain = { "regions.proposer" = "pose" }\n'
    study.write_text(study.read_text() + with_bodies)
    assert ended(command) == 2
    assert "pose.tflite does not exist: give the path" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
