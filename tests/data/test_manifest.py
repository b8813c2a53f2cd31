"""Manifests: identifiers of any kind, splits, and rows that say too little."""

from pathlib import Path

import pytest

from model.data.build import load_dataset
from model.data.errors import BadList, DataError, MissingData, PartialData
from model.data.manifest import Row, load, read_rows
from model.data.records import DISTRACTOR, JUNK, Picture
from model.data.tracks import tracks_of
from tests.data.drawn import draw

HEAD = "path,person_id,camera_id"


def manifest(folder: Path, text: str, names: str = "abcdefgh") -> Path:
    draw(folder, [f"{name}.png" for name in names])
    path = folder / "manifest.csv"
    path.write_text(text)
    return path


def test_numbers_are_kept_and_the_folder_or_the_file_is_given(tmp_path: Path) -> None:
    path = manifest(tmp_path, f"\ufeff{HEAD}\na.png,7,3\nb.png,-1,3\nc.png,0,4\n")
    data = load(path)
    assert data == load(tmp_path) == load_dataset("csv", tmp_path)
    assert data.gallery == (
        Picture(tmp_path / "a.png", 7, 3),
        Picture(tmp_path / "b.png", JUNK, 3),
        Picture(tmp_path / "c.png", DISTRACTOR, 4),
    )
    assert data.train == data.query == data.gallery[:1]


def test_numbers_that_64_bits_do_not_hold_are_names(tmp_path: Path) -> None:
    data = load(manifest(tmp_path, f"path,person_id,camera_id\na.png,{9**30},1\nb.png,7,1\n"))
    assert sorted(picture.person for picture in data.train) == [1, 2]


def test_names_are_numbered_alphabetically_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    rows = ["a.png,Zoe,yard", "b.png,Ann,gate", "c.png,-1,gate", "d.png,0,gate"]
    for ordered in (rows, rows[::-1]):
        data = load(manifest(tmp_path, "\n".join([HEAD, *ordered])))
        found = {picture.path.name: (picture.person, picture.camera) for picture in data.gallery}
        assert found == {"a.png": (2, 2), "b.png": (1, 1), "c.png": (JUNK, 1), "d.png": (DISTRACTOR, 1)}


def test_tracks_are_in_order_of_frame_or_else_of_rows(tmp_path: Path) -> None:
    data = load(manifest(tmp_path, f"{HEAD},track_id,frame\na.png,1,1,x,12\nb.png,1,1,x,3\nc.png,1,1,,\n"))
    assert [[path.name for path in track.paths] for track in tracks_of(data.gallery)] == [["b.png", "a.png"], ["c.png"]]
    data = load(manifest(tmp_path, f"{HEAD},track_id\nb.png,1,1,x\na.png,1,1,x\n"))
    assert [[path.name for path in track.paths] for track in tracks_of(data.gallery)] == [["b.png", "a.png"]]


def test_without_a_split_the_first_track_of_each_person_and_camera_asks_and_stays_in_the_gallery(
    tmp_path: Path,
) -> None:
    rows = ["a.png,1,1,5", "b.png,1,1,6", "c.png,1,1,5", "d.png,1,2,5", "e.png,2,1,", "f.png,2,1,5", "g.png,0,1,7"]
    data = load(manifest(tmp_path, "\n".join([f"{HEAD},track_id", *rows])))
    assert [picture.path.name for picture in data.query] == ["a.png", "c.png", "d.png", "e.png"]
    assert [picture.path.name for picture in data.gallery] == [f"{name}.png" for name in "abcdefg"]
    assert [picture.path.name for picture in data.train] == [f"{name}.png" for name in "abcdef"]


def test_with_a_split_each_row_goes_where_it_says(tmp_path: Path) -> None:
    rows = ["a.png,1,1,train", "b.png,2,1,query", "c.png,2,2,gallery", "d.png,-1,2,gallery"]
    data = load(manifest(tmp_path, "\n".join([f"{HEAD},split", *rows])))
    parts = [[picture.path.name for picture in part] for part in (data.train, data.query, data.gallery)]
    assert parts == [["a.png"], ["b.png"], ["c.png", "d.png"]]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", BadList, r"lacks \['path', 'person_id', 'camera_id'\]"),
        ("path,person_id\na.png,1\n", BadList, r"lacks \['camera_id'\]"),
        (f"{HEAD}\na.png,1,1\n,1,1\n", BadList, r"line 3 of .*manifest\.csv has no path"),
        (f"{HEAD}\na.png,,1\n", BadList, "has no person_id"),
        (f"{HEAD}\na.png,1\n", BadList, "has no camera_id"),
        (f"{HEAD}\na.png,1,1\na.png,2,1\n", BadList, r"line 3 .*names .*a\.png, which line 2 names already"),
        (f"{HEAD}\na.mp4,1,1\n", BadList, r"a\.mp4, which is no picture"),
        (f"{HEAD},frame\na.png,1,1,soon\n", BadList, "frame is a whole number, and line 2 .* has 'soon'"),
        (f"{HEAD},split\na.png,1,1,train\nb.png,1,1,\n", BadList, "split is one of train, query, gallery .* line 3"),
        (f"{HEAD},split\na.png,1,1,test\n", BadList, "line 2 has 'test'"),
        (f"{HEAD},split\na.png,0,1,train\n", BadList, r"gives train a picture of nobody \(person 0\)"),
        (f"{HEAD},split\na.png,-1,1,query\n", BadList, "gives query a picture of nobody"),
        (f"{HEAD}\na.png,1,1\nz.png,1,1\n", PartialData, r"holds 1 of the 2 pictures its list names, .*z\.png is not"),
        (f"{HEAD}\nno/a.png,1,1\n", PartialData, r"no/a\.png is not there"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_where(
    tmp_path: Path, text: str, error: type[DataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(manifest(tmp_path, text))


def test_a_manifest_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"manifest\.csv cannot be read: No such file"):
        load(tmp_path)
    path = manifest(tmp_path, "")
    path.write_bytes(b"\xff\xff")
    with pytest.raises(BadList, match="cannot be read: 'utf-8' codec"):
        load(path)


def test_rows_are_read_without_a_look_at_the_files(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"{HEAD},track_id,note\nclips/a.mp4, Ann ,c1,t1,hello\n")
    assert read_rows(path, Path("root")) == [
        Row("line 2", Path("root/clips/a.mp4"), "Ann", "c1", "t1", known=(("note", "hello"),))
    ]
