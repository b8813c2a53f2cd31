"""Columns of a manifest become attributes of 0 and 1."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.data.attributes import MOST_VALUES, attributes_of
from model.data.errors import MissingData
from model.data.manifest import load
from model.data.records import Picture


def pictures(**columns: list[str]) -> list[Picture]:
    rows = [tuple(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [Picture(Path(f"{place}.png"), 1, 1, known=row) for place, row in enumerate(rows)]


def test_a_value_is_an_attribute_and_numbers_are_parted_at_their_median() -> None:
    shown = pictures(hat=["no", "cap", "cap", "bun"], height=["1.5", "1.9", "1.7", "1.6"], bag=["0", "1", "1", "0"])
    found = attributes_of([shown[:3], shown[3:]], {"head": ["hat"], "rest": ["bag", "height"]})
    assert found.groups == (("head", ("hat=bun", "hat=cap", "hat=no")), ("rest", ("bag", "height")))
    assert found.sizes == (("head", 3), ("rest", 2)) and found.table.dtype == np.float32
    assert found.table.tolist() == [[0, 0, 1, 0, 0], [0, 1, 0, 1, 1], [0, 1, 0, 1, 1], [1, 0, 0, 0, 0]]


def test_a_column_of_0_and_1_is_one_attribute_even_if_all_have_it() -> None:
    found = attributes_of([pictures(hat=["1", "1"], bag=["0", "0"], two=["2", "3"])], {"all": ["hat", "bag", "two"]})
    assert found.groups == (("all", ("hat", "bag", "two=2", "two=3")),)
    assert found.table.tolist() == [[1, 0, 1, 0], [1, 0, 0, 1]]


def test_a_picture_without_a_value_is_named() -> None:
    with pytest.raises(MissingData, match=r"the column 'hat', and 1\.png has no value"):
        attributes_of([pictures(hat=["cap", ""])], {"head": ["hat"]})
    with pytest.raises(MissingData, match="the column 'shoes'"):
        attributes_of([pictures(hat=["cap", "no"])], {"feet": ["shoes"]})


def test_a_column_of_too_many_values_is_refused() -> None:
    many = [f"value {place}" for place in range(MOST_VALUES + 1)]
    with pytest.raises(MissingData, match="65 different values"):
        attributes_of([pictures(name=many)], {"head": ["name"]})


def test_a_manifest_keeps_what_else_it_says(tmp_path: Path) -> None:
    Image.new("RGB", (8, 16)).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("path,person_id,camera_id,hair,fault\na.png,1,1, long ,\n")
    assert load(tmp_path).gallery[0].known == (("hair", "long"), ("fault", ""))
