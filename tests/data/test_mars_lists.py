"""MARS's official lists, read without its pictures: the figures of the protocol, counted again."""

from collections import Counter
from itertools import pairwise

from model.data.mars import read_tracklets
from model.data.records import DISTRACTOR, JUNK
from tests.model.shared_files import shared_file


def test_the_official_lists_say_what_the_protocol_does() -> None:
    info = shared_file("data/mars_info/tracks_test_info.mat").parent
    lists = read_tracklets(info)
    assert len(lists.train) == 8_298
    assert len({each.person for each in lists.train}) == 625
    assert sum(each.last - each.first for each in lists.train) == 509_914
    assert len(lists.test) == 12_180
    assert sum(each.last - each.first for each in lists.test) == 681_089
    of_nobody = Counter(each.person for each in lists.test if each.person <= 0)
    assert of_nobody == {JUNK: 870, DISTRACTOR: 3_248}
    assert len({each.person for each in lists.test if each.person > 0}) == 634


def test_each_official_query_is_the_only_one_of_its_person_and_camera_and_has_a_right_answer() -> None:
    lists = read_tracklets(shared_file("data/mars_info/query_IDX.mat").parent)
    queries = [lists.test[row] for row in lists.query]
    assert len(queries) == len({(each.person, each.camera) for each in queries}) == 1_980
    assert len({each.person for each in queries}) == 626
    cameras: dict[int, set[int]] = {}
    for tracklet in lists.test:
        cameras.setdefault(tracklet.person, set()).add(tracklet.camera)
    assert all(cameras[each.person] > {each.camera} for each in queries)
    others = [each for row, each in enumerate(lists.test) if row not in set(lists.query)]
    assert len(others) - 870 == 9_330
    left = Counter((each.person, each.camera) for each in others)
    alone = [q for q in queries if not any(left[q.person, c] for c in range(1, 7) if c != q.camera)]
    assert len(alone) == 140  # why the queries stay in the gallery


def test_the_official_tracklets_lie_end_to_end_and_share_no_person() -> None:
    lists = read_tracklets(shared_file("data/mars_info/query_IDX.mat").parent)
    for part in (lists.train, lists.test):
        assert part[0].first == 0
        assert all(before.last == after.first for before, after in pairwise(part))
        assert {each.camera for each in part} == {1, 2, 3, 4, 5, 6}
    assert {each.person for each in lists.train}.isdisjoint(each.person for each in lists.test)
