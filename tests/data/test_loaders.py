"""Loaders of picture data sets, on folders drawn as their authors lay them out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data import build, cuhk01, cuhk03, market1501, msmt17
from model.data.errors import BadList, BadName, DataError, MissingData, PartialData, UnknownData
from model.data.market1501 import SEQUENCE_FRAMES
from model.data.records import DISTRACTOR, JUNK, Counts, Dataset, Picture, SplitCounts
from tests.data.drawn import draw

MARKET = SplitCounts(train=Counts(3, 2), query=Counts(2, 1), gallery=Counts(5, 1))
TRAIN_NAMES = ["0002_c1s1_000451_03.jpg", "0002_c1s1_000551_01.jpg", "0007_c3s2_000001_01.jpg"]
QUERY_NAMES = ["0001_c1s1_001051_00.jpg", "0001_c6s6_023021_00.jpg.jpg"]
GALLERY_NAMES = [
    "-1_c1s1_000401_03.jpg",
    "0000_c1s1_000151_01.jpg",
    "0001_c1s1_001051_03.jpg",
    "0001_c2s1_001051_03.jpg",
    "0001_c2s1_001351_03.jpg",
]


def market_folder(folder: Path) -> Path:
    draw(folder / "bounding_box_train", TRAIN_NAMES)
    draw(folder / "query", QUERY_NAMES)
    draw(folder / "bounding_box_test", GALLERY_NAMES)
    (folder / "query" / "Thumbs.db").write_bytes(b"passed over")
    (folder / "query" / ".hidden.jpg").write_bytes(b"")
    return folder


def test_market_is_read_whole(tmp_path: Path) -> None:
    data = market1501.load(market_folder(tmp_path), MARKET)
    assert [(each.person, each.camera) for each in data.train] == [(2, 1), (2, 1), (7, 3)]
    assert [each.track for each in data.train] == [0, 0, 1]
    assert [(each.person, each.track) for each in data.gallery] == [
        (JUNK, -1),
        (DISTRACTOR, -1),
        (1, 0),
        (1, 1),
        (1, 1),
    ]
    query = tmp_path / "query"
    assert data.query == (
        Picture(query / QUERY_NAMES[0], 1, 1, frame=SEQUENCE_FRAMES + 1051),
        Picture(query / QUERY_NAMES[1], 1, 6, frame=6 * SEQUENCE_FRAMES + 23021),
    )


def test_the_folder_above_does_too(tmp_path: Path) -> None:
    folder = market_folder(tmp_path / market1501.FOLDER)
    assert market1501.load(tmp_path, MARKET) == market1501.load(folder, MARKET)


def test_a_missing_picture_is_counted(tmp_path: Path) -> None:
    folder = market_folder(tmp_path)
    (folder / "bounding_box_test" / GALLERY_NAMES[0]).unlink()
    with pytest.raises(PartialData, match="bounding_box_test holds 4 of 5 pictures: unpack"):
        market1501.load(folder, MARKET)


def test_a_picture_too_many_is_counted(tmp_path: Path) -> None:
    folder = market_folder(tmp_path)
    draw(folder / "query", ["0001_c4s1_000001_00.jpg"])
    with pytest.raises(PartialData, match="query holds 3 pictures where 2 were published: take out"):
        market1501.load(folder, MARKET)


def test_the_right_number_of_pictures_of_the_wrong_persons_is_refused(tmp_path: Path) -> None:
    folder = market_folder(tmp_path)
    (folder / "query" / QUERY_NAMES[0]).rename(folder / "query" / "0003_c1s1_001051_00.jpg")
    with pytest.raises(PartialData, match="query holds 2 persons where 1 were published"):
        market1501.load(folder, MARKET)


def test_what_is_published_is_asked_for_by_default(tmp_path: Path) -> None:
    with pytest.raises(PartialData, match="bounding_box_train holds 3 of 12,936 pictures"):
        build.load_dataset("market1501", market_folder(tmp_path))


def test_missing_folders_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "bounding_box_train", TRAIN_NAMES)
    with pytest.raises(
        MissingData, match=r"lacks query, bounding_box_test: give the folder .* Market-1501-v15\.09\.15"
    ):
        market1501.load(tmp_path, MARKET)
    with pytest.raises(MissingData, match="absent is not a folder: give the folder that holds bounding_box_train"):
        market1501.load(tmp_path / "absent", MARKET)


def test_an_empty_picture_is_refused(tmp_path: Path) -> None:
    folder = market_folder(tmp_path)
    (folder / "query" / QUERY_NAMES[0]).write_bytes(b"")
    with pytest.raises(MissingData, match=rf"query holds 1 empty pictures, {QUERY_NAMES[0]} the first"):
        market1501.load(folder, MARKET)


def test_a_file_where_a_folder_should_be_is_refused(tmp_path: Path) -> None:
    folder = market_folder(tmp_path)
    for path in (folder / "query").iterdir():
        path.unlink()
    (folder / "query").rmdir()
    (folder / "query").write_text("no folder")
    with pytest.raises(MissingData, match="query cannot be read: Not a directory"):
        market1501.load(folder, MARKET)


@pytest.mark.parametrize(
    "name",
    [
        "0001_c7s1_000001_00.jpg",
        "0001_c1s7_000001_00.jpg",
        "1_c1s1_000001_00.jpg",
        "-2_c1s1_000001_00.jpg",
        "0001_c1s1_1_00.jpg",
        "0001_c1s1_000001_00.png",
        "0001_c1s1_000001_00 (copy).jpg",
        "\u0660\u0660\u0660\u0661_c1s1_000001_00.jpg",
    ],
)
def test_a_name_that_is_none_of_markets_is_refused(tmp_path: Path, name: str) -> None:
    folder = market_folder(tmp_path)
    draw(folder / "query", [name])
    with pytest.raises(BadName, match=r"is not named PPPP_cCsS_FFFFFF_DD\.jpg .*: take the file out"):
        market1501.load(folder, MARKET)


@given(st.text(st.sampled_from("0123456789cs_.-jpgn"), max_size=30))
@pytest.mark.parametrize("parse", [market1501.parse, cuhk01.parse, cuhk03.parse])
def test_no_name_breaks_a_parser(parse: Callable[[Path], Picture | None], name: str) -> None:
    picture = parse(Path("folder") / name)
    assert picture is None or (picture.person >= JUNK and picture.camera >= 1)


@given(st.integers(0, 9999), st.integers(1, 6), st.integers(1, 6), st.integers(0, 999_999))
def test_a_market_name_says_what_was_put_in(person: int, camera: int, sequence: int, frame: int) -> None:
    path = Path(f"{person:04}_c{camera}s{sequence}_{frame:06}_01.jpg")
    assert market1501.parse(path) == Picture(path, person, camera, frame=sequence * SEQUENCE_FRAMES + frame)


def test_cuhk01_is_read_with_camera_a_asking_for_camera_b(tmp_path: Path) -> None:
    names = [f"{person:04}{view:03}.png" for person in (1, 2) for view in (1, 2, 3, 4)]
    folder = draw(tmp_path / "CUHK01" / "campus", names)
    for root in (folder, folder.parent, tmp_path):
        data = cuhk01.load(root, Counts(8, 2))
        assert [each.path.name for each in data.train] == names
        assert [(each.path.name, each.camera) for each in data.query] == [(n, 1) for n in names if n[-5] in "12"]
        assert [(each.path.name, each.camera) for each in data.gallery] == [(n, 2) for n in names if n[-5] in "34"]
    (folder / names[3]).unlink()
    with pytest.raises(PartialData, match="campus holds 7 of 8 pictures"):
        cuhk01.load(tmp_path, Counts(8, 2))


@pytest.mark.parametrize("name", ["0001005.png", "0000001.png", "0001001.jpg", "001001.png"])
def test_a_name_that_is_none_of_cuhk01s_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadName, match=r"IIIIVVV\.png"):
        cuhk01.load(draw(tmp_path / "campus", [name]), Counts(1, 1))


PART = cuhk03.PublicPart(train=Counts(3, 2), val=Counts(2, 1))


def cuhk03_folder(folder: Path) -> Path:
    draw(folder / "labeled" / "train", ["0000_00.jpg", "0000_05.jpg", "0001_04.jpg"])
    draw(folder / "labeled" / "val", ["0000_01.jpg", "0000_09.jpg"])
    draw(folder / "detected" / "val", ["0000_01.jpg"])
    return folder


def test_cuhk03s_public_part_numbers_the_persons_of_val_after_those_of_train(tmp_path: Path) -> None:
    data = cuhk03.load(cuhk03_folder(tmp_path), PART)
    assert [(each.person, each.camera) for each in data.train] == [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]
    assert [each.path.name for each in data.query] == ["0000_01.jpg"]
    assert [each.path.name for each in data.gallery] == ["0000_09.jpg"]
    assert {each.person for each in (*data.query, *data.gallery)} == {3}


def test_cuhk03s_new_protocol_is_read_as_its_authors_split_it(tmp_path: Path) -> None:
    draw(tmp_path / "cuhk03-np/labeled/bounding_box_train", ["0003_c1_1.png", "0003_c2_6.png"])
    draw(tmp_path / "cuhk03-np/labeled/query", ["0001_c1_2.png"])
    draw(tmp_path / "cuhk03-np/labeled/bounding_box_test", ["0001_c2_7.png", "0001_c1_3.png"])
    counts = SplitCounts(train=Counts(2, 1), query=Counts(1, 1), gallery=Counts(2, 1))
    data = cuhk03.load(tmp_path, PART, counts)
    assert [(each.person, each.camera, each.frame) for each in data.train] == [(3, 1, 1), (3, 2, 6)]
    assert [(each.person, each.camera) for each in data.query] == [(1, 1)]
    assert [(each.person, each.camera) for each in data.gallery] == [(1, 1), (1, 2)]
    with pytest.raises(PartialData, match="bounding_box_train holds 2 of 7,368 pictures"):
        cuhk03.load(tmp_path)


def test_part_of_cuhk03s_public_part_is_refused(tmp_path: Path) -> None:
    folder = cuhk03_folder(tmp_path)
    with pytest.raises(PartialData, match="train holds 3 of 7,239 pictures"):
        cuhk03.load(folder)
    draw(folder / "labeled" / "val", ["0000_10.jpg"])
    with pytest.raises(BadName, match="from 00 to 09"):
        cuhk03.load(folder, PART)


@pytest.mark.parametrize("file", ["cuhk-03.mat", "cuhk03_release/cuhk-03.mat", "CUHK03/cuhk03_release/cuhk-03.mat"])
def test_cuhk03_as_one_matlab_file_is_told_what_to_do_with(tmp_path: Path, file: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_bytes(b"MATLAB")
    with pytest.raises(
        MissingData, match=r"cuhk-03\.mat holds CUHK03 as one MATLAB file.*: give cuhk03-np.*labeled/query"
    ):
        cuhk03.load(tmp_path)
    assert len(cuhk03.load(cuhk03_folder(tmp_path), PART).train) == 5  # beside the pictures, it does no harm


MSMT = SplitCounts(train=Counts(3, 2), query=Counts(1, 1), gallery=Counts(2, 2))


def msmt_folder(folder: Path, train: str, test: str) -> Path:
    lists = {
        "list_train.txt": (
            train,
            ["0000/0000_000_01_0303morning_0008_0.jpg 0", "0001/0001_004_15_0303noon_0008_1.jpg 1"],
        ),
        "list_val.txt": (train, ["0000/0000_001_02_0303morning_0008_0_ex.jpg 0"]),
        "list_query.txt": (test, ["0000/0000_000_03_0303morning_0009_0.jpg 0"]),
        "list_gallery.txt": (
            test,
            ["0000/0000_001_04_0303morning_0010_0.jpg 0", "0001/0001_000_03_0303morning_0011_0.jpg 1"],
        ),
    }
    for name, (part, lines) in lists.items():
        draw(folder / part, [line.split()[0] for line in lines])
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


@pytest.mark.parametrize(
    ("name", "train", "test"), [("MSMT17_V1", "train", "test"), ("MSMT17_V2", "mask_train_v2", "mask_test_v2")]
)
def test_both_editions_of_msmt17_are_read(tmp_path: Path, name: str, train: str, test: str) -> None:
    folder = msmt_folder(tmp_path / name, train, test)
    data = msmt17.load(tmp_path, MSMT)
    assert data == msmt17.load(folder, MSMT)
    assert [(each.person, each.camera, each.frame) for each in data.train] == [(1, 1, 0), (2, 15, 4), (1, 2, 1)]
    assert [(each.person, each.camera) for each in data.query] == [(3, 3)]
    assert [(each.person, each.camera) for each in data.gallery] == [(3, 4), (4, 3)]
    assert all(each.path.is_file() for part in (data.train, data.query, data.gallery) for each in part)


def test_a_listed_picture_of_msmt17_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = msmt_folder(tmp_path, "train", "test")
    (folder / "test" / "0000" / "0000_001_04_0303morning_0010_0.jpg").unlink()
    with pytest.raises(
        PartialData, match=r"test holds 1 of the 2 pictures its list names, .*_0010_0\.jpg is not there"
    ):
        msmt17.load(folder, MSMT)


def test_lists_of_msmt17_that_are_missing_or_wrong_are_named(tmp_path: Path) -> None:
    folder = msmt_folder(tmp_path, "train", "test")
    (folder / "list_val.txt").write_text("0000/0000_000_16_0303morning_0008_0.jpg 0\n")
    with pytest.raises(
        BadList, match=r"list_val\.txt must hold lines like .* from 01 to 15, and holds '0000/0000_000_16"
    ):
        msmt17.load(folder, MSMT)
    (folder / "list_val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadList, match=r"list_val\.txt is no text"):
        msmt17.load(folder, MSMT)
    (folder / "list_val.txt").unlink()
    with pytest.raises(MissingData, match=r"lacks list_val\.txt"):
        msmt17.load(folder, MSMT)
    with pytest.raises(MissingData, match="neither edition of MSMT17: give MSMT17_V2 with mask_train_v2"):
        msmt17.load(folder / "train")


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownData, match=r"'dukemtmc': there are market1501, msmt17, cuhk01, .*, csv"):
        build.load_dataset("dukemtmc", tmp_path)


@pytest.mark.parametrize("name", build.LOADERS)
def test_a_split_is_asked_of_those_that_have_several_alone(tmp_path: Path, name: str) -> None:
    """The others are refused before their folder is looked at."""
    wanted = DataError if name in build.SPLIT_LOADERS else UnknownData
    with pytest.raises(wanted, match=str(tmp_path) if name in build.SPLIT_LOADERS else f"{name} has one split, and 3"):
        build.load_dataset(name, tmp_path, 3)


@pytest.mark.parametrize("name", build.LOADERS)
def test_every_loader_refuses_an_empty_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        build.load_dataset(name, tmp_path)


def test_a_data_set_is_a_plain_value(tmp_path: Path) -> None:
    data = market1501.load(market_folder(tmp_path), MARKET)
    assert data == Dataset("market1501", data.train, data.query, data.gallery)
