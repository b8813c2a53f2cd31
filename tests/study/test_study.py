"""A study: all variants trained and tested alike, gone on with where it stopped, and one table."""

import json
import re
from pathlib import Path

import pytest

from model.study.config import finetune_config, pretrain_config, read_study
from model.study.run import Result
from model.study.table import as_table
from model.training.errors import BadConfig
from service.commands.main import main
from tests.training.drawn import draw_people

RUN = """
sources = [{ data = "csv", share = 2 }]
frames = 2
network = { encoder = "vills-tiny", height = 64, width = 32 }
schedule = { steps = 1, warmup = 0 }
"""
STUDY = """
pretrain = "{0}/first.toml"
finetune = "{0}/last.toml"
seeds = [1, 2]
tests = [{{ data = "csv", protocols = ["i2i", "v2v"] }}]
[[variants]]
name = "whole"
[[variants]]
name = "plain"
pretrain = false
finetune = {{ "network.adapters" = false }}
"""


def a_study(folder: Path) -> Path:
    (folder / "last.toml").write_text(RUN)
    (folder / "first.toml").write_text(RUN + "prototypes = 16\n[regions]\npoints = 2\n")
    file = folder / "study.toml"
    file.write_text(STUDY.format(folder))
    return file


def ended(command: list[str]) -> object:
    with pytest.raises(SystemExit) as end:
        main(command)
    return end.value.code


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
        (out / "plain" / "2" / "result.json").unlink()
    rows = [Result(**each) for each in json.loads(told.read_text())]
    assert {(row.variant, row.seed, row.protocol) for row in rows} == {
        (variant, seed, protocol) for variant in ("whole", "plain") for seed in (1, 2) for protocol in ("i2i", "v2v")
    }
    assert not (out / "plain" / "1" / "pretrain").exists() and (out / "whole" / "1" / "pretrain").exists()


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
    result = tmp_path / "out" / "a" / "1" / "result.json"
    for changed in (text.replace('"i2i", "v2v"', '"i2i"'), text + 'finetune = { "schedule.lr" = 1e-5 }\n'):
        study.write_text(changed)
        capsys.readouterr()
        assert ended(command) == 2
        assert f"{result} is of another configuration or other tests" in capsys.readouterr().err
    study.write_text(text)
    result.write_text("half")
    assert ended(command) == 2 and f"{result} or the run beside it cannot be read" in capsys.readouterr().err


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
    study.write_text(
        study.read_text() + '[[variants]]\nname = "c"\nfinetune = { sources = [{ data = "mars", share = 2 }] }\n'
    )
    assert ended(command) == 2 and "c trains on mars and no folder is given" in capsys.readouterr().err
    (tmp_path / "people" / "0-0-0.png").unlink()
    study = a_study(tmp_path)
    assert ended(command) == 2 and "0-0-0.png is not there" in capsys.readouterr().err
    study.write_text(study.read_text().replace('"network.adapters" = false', '"network.height" = 100'))
    assert ended(command) == 2 and "100 x 32 pixels do not divide" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("name", ["ablation", "ufla"])
def test_what_comes_with_the_product_can_be_used(name: str) -> None:
    study = read_study(name)
    budgets = {finetune_config(study, variant, 1).schedule for variant in study.variants}
    assert len(budgets) == 1, "an equal budget is what makes them comparable"
    first = [pretrain_config(study, variant, 1) for variant in study.variants]
    assert len({config.schedule for config in first if config is not None}) <= 1


def test_an_error_in_the_last_variant_shows_at_once(tmp_path: Path) -> None:
    file = a_study(tmp_path)
    file.write_text(file.read_text().replace("network.adapters", "network.adapterz"))
    with pytest.raises(BadConfig, match=r"network\.adapterz: Extra inputs"):
        read_study(str(file))
    file.write_text(file.read_text().replace('"plain"', '"whole"'))
    with pytest.raises(BadConfig, match="two variants of one name"):
        read_study(str(file))


def test_a_data_set_without_a_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(a_study(tmp_path)), "--out", str(tmp_path / "out")])
    assert ended.value.code == 2 and "--data csv=DIR" in capsys.readouterr().err


def test_the_table_has_mean_and_spread_where_there_are_seeds() -> None:
    rows = [Result("a", seed, "market1501", "i2i", rank1, 50.0) for seed, rank1 in ((1, 60.0), (2, 64.0))]
    table = as_table([*rows, Result("b", 1, "market1501", "i2i", 70.0, 55.0)]).splitlines()
    assert table == [
        "| variant | market1501 i2i |",
        "|---|---|",
        "| a | 62.0 ± 2.8 / 50.0 ± 0.0 |",
        "| b | 70.0 / 55.0 |",
    ]
