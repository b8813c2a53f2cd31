"""Figures of people that the weights were trained on are told apart from others."""

from dataclasses import replace
from pathlib import Path

import pytest

from model.card import card_of
from model.data.records import JUNK, Dataset, Picture
from model.encoder import EncoderCard
from model.evaluation.protocols import probe_of
from model.evaluation.trained_on import persons_trained_on, warning_of
from model.vills.trained import trained_weights
from model.weights import load_weights
from tests.worker.colour_encoder import ColourEncoder


def card(training_data: str) -> EncoderCard:
    return replace(ColourEncoder().card, training_data=training_data)


def picture(person: int, camera: int) -> Picture:
    return Picture(Path(f"{person}-{camera}.png"), person, camera)


def dataset(name: str, train: list[int]) -> Dataset:
    """Persons 1 to 3 are asked for."""
    test = [[picture(person, camera) for person in (1, 2, 3)] for camera in (1, 2)]
    return Dataset(name, tuple(picture(person, 3) for person in train), tuple(test[0]), tuple(test[1]))


@pytest.mark.parametrize(
    ("training_data", "train", "count"),
    [
        ("cuhk03", [1, 2, 3], 3),
        ("market1501, cuhk03; distilled from x", [2, 2, 3, 4], 2),
        ("cuhk03", [4, 5, JUNK], 0),
        ("market1501; distilled from cuhk03", [1, 2, 3], 0),
        ("cuhk03-np", [1, 2, 3], 0),
        ("not stated", [1, 2, 3], 0),
    ],
)
def test_persons_asked_for_are_counted_where_the_weights_name_the_data(
    training_data: str, train: list[int], count: int
) -> None:
    data = dataset("cuhk03", train)
    probes = [probe_of(data, "i2i")] * 2
    assert persons_trained_on(card(training_data), data, probes) == count


def test_the_weights_that_ship_know_cuhk03s_persons_and_not_cuhk01s() -> None:
    path = trained_weights("vills-light")
    assert path is not None
    read = load_weights(path)
    shipped = card_of(read.config, 384, read.origin, b"")
    for name, count in (("cuhk03", 3), ("cuhk01", 0)):
        data = dataset(name, [1, 2, 3])
        assert persons_trained_on(shipped, data, [probe_of(data, "i2i")]) == count


def test_a_manifest_may_be_another_one() -> None:
    assert "3 of the persons asked for are" in warning_of(3, "cuhk03")
    assert "if that was this manifest" not in warning_of(3, "cuhk03")
    assert "if that was this manifest" in warning_of(3, "csv")
