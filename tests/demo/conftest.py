"""A few drawn people on disk, drawn once for all tests that only look at them."""

from pathlib import Path

import pytest

from service.demo.samples import Sample, draw_samples


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Three people before both cameras: six clips, six stills, in the folder of `few[0].path.parent.parent`."""
    return draw_samples(tmp_path_factory.mktemp("people"), people=3, seed=11)


@pytest.fixture
def few_folder(few: list[Sample]) -> Path:
    return few[0].path.parent.parent
