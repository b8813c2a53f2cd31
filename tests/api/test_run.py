"""What is done once when the api process starts."""

import gc
from collections.abc import Iterator

import pytest

from service.api.run import COLLECT_AFTER, spare_collector


@pytest.fixture(autouse=True)
def collector_as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_the_collector_looks_only_at_what_came_after_the_start() -> None:
    before = ["there before"]
    spare_collector()
    after = ["there after"]
    seen = {id(each) for each in gc.get_objects()}
    assert id(before) not in seen and id(after) in seen
    assert gc.get_threshold()[0] == COLLECT_AFTER
