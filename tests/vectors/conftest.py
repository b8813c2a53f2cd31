"""A gallery and the records it was made of."""

import pytest

from index.vectors.gallery import Gallery
from tests.vectors.records import DIMENSION, Records, filled


@pytest.fixture
def records() -> Records:
    return filled(60)


@pytest.fixture
def gallery(records: Records) -> Gallery:
    gallery = Gallery(DIMENSION, seal_rows=16)
    gallery.apply(records.log)
    return gallery
