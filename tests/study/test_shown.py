"""The figures that docs/systems.md shows: found with the configurations that ship, and one set of data each."""

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from model.study.config import read_study, runs_of
from model.study.results import Grounds, kept

STUDIES = Path(__file__).parents[2] / "docs" / "studies"
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
