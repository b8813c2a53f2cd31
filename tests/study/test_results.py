"""Figures that lie in a folder: what they can be, and what is said of a file that is damaged."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from model.study.config import read_study, runs_of
from model.study.results import RESULT, Grounds, Result, keep, kept
from model.training.errors import BadConfig
from tests.study.studies import a_study

GROUNDS = Grounds({"csv": "0"}, None, None)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rank1", math.nan, "results.0.rank1: Input should be a finite number, and is nan"),
        ("rank1", 1e9, "results.0.rank1: Input should be less than or equal to 100, and is 1000000000.0"),
        ("map", -5, "results.0.map: Input should be greater than or equal to 0, and is -5"),
        ("parameters", -1, "results.0.parameters: Input should be greater than or equal to 1, and is -1"),
        ("seed", None, "results.0.seed: Input should be a valid integer, and is None"),
    ],
)
def test_figures_that_cannot_be_are_refused(tmp_path: Path, name: str, value: object, said: str) -> None:
    """Bugs: the first four stood in the table; and of all the trained weights were to be removed."""
    assert f"({said}): remove this file to test its weights anew" in refused(tmp_path, {name: value})


def test_a_file_that_is_cut_off_is_named_with_its_fault(tmp_path: Path) -> None:
    said = refused(tmp_path, {}, cut=20)
    assert f"{tmp_path / RESULT} cannot be read (Expecting value: line 1 column 21" in said and "_Kept" not in said


def refused(folder: Path, changes: dict[str, Any], cut: int | None = None) -> str:
    """What is said of the figures of a study with these changes, or of the first `cut` characters of their file."""
    study = read_study(str(a_study(folder)))
    variant = study.variants[1]
    runs, file = runs_of(study, variant, 1), folder / RESULT
    results = [Result(variant.name, 1, "csv", protocol, 50.0, 40.0, 1000) for protocol in ("i2i", "v2v")]
    keep(folder, GROUNDS, variant, runs, results)
    assert kept(study, variant, 1, runs, folder, GROUNDS) == results
    values = json.loads(file.read_text())
    values["results"][0] |= changes
    file.write_text(json.dumps(values)[:cut])
    with pytest.raises(BadConfig) as error:
        kept(study, variant, 1, runs, folder, GROUNDS)
    return str(error.value)
