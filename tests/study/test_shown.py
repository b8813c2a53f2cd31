"""The figures that README and docs/systems.md show: found with the configurations that ship, one set of data each."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from model.study.config import read_study, runs_of
from model.study.results import Grounds, Result, kept
from model.study.table import as_table, claims_table

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "docs" / "studies"
SHOWN = sorted(STUDIES.glob("*/*/*/result.json"))


def grounds_of_file(file: Path) -> Grounds:
    return TypeAdapter(Grounds).validate_python(json.loads(file.read_text())["grounds"])


def test_there_are_some() -> None:
    assert {file.parts[-4] for file in SHOWN} == {"systems", "systems-market"}


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: "-".join(file.parts[-4:-1]))
def test_figures_are_of_the_study_as_it_ships(file: Path) -> None:
    name, variant_name, seed = file.parts[-4:-1]
    study = read_study(name)
    variant = next(one for one in study.variants if one.name == variant_name)
    assert int(seed) in study.seeds
    runs = runs_of(study, variant, int(seed))
    found = kept(study, variant, int(seed), runs, file.parent, grounds_of_file(file))
    assert found and all(0 <= each.map <= 100 for each in found)


@pytest.mark.parametrize("name", sorted({file.parts[-4] for file in SHOWN}))
def test_all_figures_of_a_study_are_of_the_same_data(name: str) -> None:
    grounds = [grounds_of_file(file) for file in SHOWN if file.parts[-4] == name]
    assert grounds and all(each == grounds[0] for each in grounds)
    assert (grounds[0].weights, grounds[0].stem) == (None, None), "with the weights that come by themselves"


def results_of(name: str) -> list[Result]:
    """All that lies below docs/studies, in the study's order."""
    study = read_study(name)
    places = [(seed, one.name) for seed in study.seeds for one in study.variants]
    files = [STUDIES / name / variant / str(seed) / "result.json" for seed, variant in places]
    told = [json.loads(file.read_text())["results"] for file in files if file.exists()]
    return [each for rows in told for each in TypeAdapter(list[Result]).validate_python(rows)]


def test_the_readme_shows_these_figures_and_no_others() -> None:
    """But for the milliseconds, which are of one machine: the cell before the paper's."""
    shown = (ROOT / "README.md").read_text().splitlines()
    for name in ("systems", "systems-market"):
        found = results_of(name)
        published = {one.name: one.published for one in read_study(name).variants if one.published}
        table = as_table(found, dict.fromkeys({each.variant for each in found}, 0.0), published).splitlines()
        start = shown.index(table[0])
        assert [without_times(line) for line in shown[start : start + len(table)]] == list(map(without_times, table))
        assert not shown[start + len(table)], "and no row more"


def test_the_readme_shows_what_became_of_the_claims() -> None:
    names = ("systems", "systems-market")
    table = claims_table([(results_of(name), read_study(name).claims) for name in names])
    assert f"\n\n{table}\n\n" in (ROOT / "README.md").read_text()


def without_times(line: str) -> list[str]:
    cells = line.split("|")
    return [*cells[:-3], *cells[-2:]]
