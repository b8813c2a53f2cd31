"""Drawn people to train on, and a trunk to begin with."""

from pathlib import Path

import pytest

from tests.systems.tiny import draw_trunk
from tests.training.drawn import draw_people


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "people"
    draw_people(folder)
    return folder


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_trunk(tmp_path_factory.mktemp("trunk"))
