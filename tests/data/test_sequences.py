"""Loaders of sequence data sets, on folders and lists drawn as their authors lay them out."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from model.data import ilidsvid, lists, lsvid, mars, prid2011
from model.data.errors import BadList, BadName, MissingData, PartialData
from model.data.records import DISTRACTOR, JUNK, Picture
from model.data.tracks import tracks_of
from tests.data.drawn import draw

ILIDS = ilidsvid.Published(persons=4, shortest=3, longest=5)
ILIDS_SPLIT = "train-test people splits/train_test_splits_ilidsvid.mat"


def prid_folder(folder: Path) -> Path:
    """Three persons seen by both cameras, the second too briefly; camera B saw a fourth alone."""
    for camera, lengths in (("cam_a", (28, 30, 27)), ("cam_b", (27, 26, 40, 5))):
        for person, length in enumerate(lengths, 1):
            draw(
                folder / f"multi_shot/{camera}/person_{person:04}",
                [f"{frame:04}.png" for frame in range(1, length + 1)],
            )
    return folder


PRID = prid2011.Published(shared=3, usual=2, shortest=26, longest=40)


def test_prid_keeps_the_persons_long_enough_in_both_cameras(tmp_path: Path) -> None:
    data = prid2011.load(prid_folder(tmp_path / "prid_2011"), PRID)
    assert data == prid2011.load(tmp_path, PRID)
    assert [(t.person, t.camera, len(t.paths)) for t in tracks_of(data.query)] == [(1, 1, 28), (3, 1, 27)]
    assert [(t.person, t.camera, len(t.paths)) for t in tracks_of(data.gallery)] == [(1, 2, 27), (3, 2, 40)]
    assert sorted(data.train, key=str) == sorted((*data.query, *data.gallery), key=str)
    assert tracks_of(data.query)[0].paths[:2] == tuple(
        tmp_path / "prid_2011/multi_shot/cam_a/person_0001" / name for name in ("0001.png", "0002.png")
    )


def test_prid_is_split_by_the_list_where_it_lies_in_the_folder(tmp_path: Path) -> None:
    folder = prid_folder(tmp_path)
    savemat(folder / prid2011.SPLITS, {"ls_set": np.array([[1, 2], [2, 1]])})
    first, second = (prid2011.load(folder, PRID, split) for split in (0, 1))
    assert {picture.person for picture in first.train} == {3} == {picture.person for picture in second.query}
    assert {picture.person for picture in first.query} == {1} == {picture.person for picture in second.train}
    with pytest.raises(BadList, match="holds the splits 0 to 1, and not 2"):
        prid2011.load(folder, PRID, 2)
    assert prid2011.load(folder, PRID) == first
    (folder / prid2011.SPLITS).unlink()
    with pytest.raises(MissingData, match=rf"split 0 needs {prid2011.SPLITS}, which is not in {folder}"):
        prid2011.load(folder, PRID, 0)


def test_a_track_of_prid_of_a_length_that_was_not_published_is_refused(tmp_path: Path) -> None:
    folder = prid_folder(tmp_path)
    with pytest.raises(PartialData, match="cam_a/person_0002 holds 30 frames where 26 to 29 were published: take out"):
        prid2011.load(folder, replace(PRID, longest=29))
    with pytest.raises(PartialData, match="cam_b/person_0002 holds 26 frames where 27 to 40 were published: unpack"):
        prid2011.load(folder, replace(PRID, shortest=27))


def test_part_of_prid_is_refused(tmp_path: Path) -> None:
    folder = prid_folder(tmp_path)
    with pytest.raises(PartialData, match=r"cam_a holds 3 of 200 persons seen by both cameras"):
        prid2011.load(folder)
    (folder / "multi_shot/cam_b/person_0003/0001.png").rename(folder / "multi_shot/cam_b/person_0003/1.png")
    with pytest.raises(BadName, match=r"person_0003/1\.png is not named FFFF\.png"):
        prid2011.load(folder, PRID)
    (folder / "multi_shot/cam_b/person_0003/1.png").unlink()
    (folder / "multi_shot/cam_a/person_0003/0027.png").unlink()
    with pytest.raises(PartialData, match="1 of 2 persons of at least 27 frames in both cameras"):
        prid2011.load(folder, PRID)


def ilids_folder(folder: Path) -> Path:
    for camera in (1, 2):
        for person in (1, 2, 7, 9):
            stem = f"cam{camera}_person{person:03}"
            draw(
                folder / f"i-LIDS-VID/sequences/cam{camera}/person{person:03}",
                [f"{stem}_{frame:05}.png" for frame in (99, 100, 317)],
            )
    (folder / ILIDS_SPLIT).parent.mkdir()
    savemat(folder / ILIDS_SPLIT, {"ls_set": np.array([[4, 1, 2, 3], [1, 2, 3, 4]])})
    return folder


def test_ilids_tests_the_first_half_of_a_split_and_trains_on_the_second(tmp_path: Path) -> None:
    folder = ilids_folder(tmp_path)
    data = ilidsvid.load(folder, ILIDS)
    assert [(t.person, t.camera, len(t.paths)) for t in tracks_of(data.query)] == [(1, 1, 3), (9, 1, 3)]
    assert [(t.person, t.camera) for t in tracks_of(data.gallery)] == [(1, 2), (9, 2)]
    assert [(t.person, t.camera) for t in tracks_of(data.train)] == [(2, 1), (2, 2), (7, 1), (7, 2)]
    assert [picture.frame for picture in data.query[:3]] == [99, 100, 317]
    assert {picture.person for picture in ilidsvid.load(folder, ILIDS, 1).query} == {1, 2}


def test_part_of_ilids_is_refused(tmp_path: Path) -> None:
    folder = ilids_folder(tmp_path)
    with pytest.raises(PartialData, match="cam1 holds 4 of 300 persons"):
        ilidsvid.load(folder)
    with pytest.raises(PartialData, match="person001 holds 3 frames where 4 to 5 were published: unpack"):
        ilidsvid.load(folder, replace(ILIDS, shortest=4))
    (folder / "i-LIDS-VID/sequences/cam2/person009").rename(folder / "i-LIDS-VID/sequences/cam2/person008")
    with pytest.raises(BadName, match=r"cam2_person009_00099\.png is not named cam2_person008_FFFFF\.png"):
        ilidsvid.load(folder, ILIDS)
    for path in (folder / "i-LIDS-VID/sequences/cam2/person008").iterdir():
        path.rename(path.with_name(path.name.replace("person009", "person008")))
    with pytest.raises(PartialData, match="holds person 8 in one camera and not in the other"):
        ilidsvid.load(folder, ILIDS)
    for path in (folder / "i-LIDS-VID/sequences/cam1/person001").iterdir():
        path.unlink()
    with pytest.raises(MissingData, match="person001 holds no frames"):
        ilidsvid.load(folder, ILIDS)
    (folder / ILIDS_SPLIT).unlink()
    with pytest.raises(MissingData, match=rf"lacks {ILIDS_SPLIT}"):
        ilidsvid.load(folder, ILIDS)


@pytest.mark.parametrize("row", [[1, 2, 3, 3], [0, 1, 2, 3], [1, 2, 3, 5]])
def test_a_split_that_names_no_person_once_is_refused(tmp_path: Path, row: list[int]) -> None:
    savemat(tmp_path / "split.mat", {"ls_set": np.array([row])})
    with pytest.raises(BadList, match="must name the persons 1 to 4 once, and split 0 does not"):
        lists.read_halves(tmp_path / "split.mat", 0, 4)


def test_a_matrix_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(MissingData, match="is not there: it comes with the data set"):
        lists.read_matrix(path, "rows")
    path.write_text("no MATLAB file at all")
    with pytest.raises(BadList, match="cannot be read as a MATLAB file"):
        lists.read_matrix(path, "rows")
    savemat(path, {"other": np.eye(2)})
    with pytest.raises(BadList, match="holds no matrix called rows"):
        lists.read_matrix(path, "rows")
    for bad in (np.array([[0.5]]), np.array([["text"]]), np.array([[np.nan]])):
        savemat(path, {"rows": bad})
        with pytest.raises(BadList, match="must be a matrix of whole numbers"):
            lists.read_matrix(path, "rows")
    savemat(path, {"rows": np.array([[1.0, 2.0]])})
    assert lists.read_matrix(path, "rows").tolist() == [[1, 2]]


def matlab_73(path: Path, content: bytes = b"") -> Path:
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(header.ljust(512, b"\0") + content)
    return path


def test_a_matrix_of_matlab_73_is_read_rows_first(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="h5py, which reads MATLAB 7.3 files, is not installed")
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["query"] = np.array([[1.0], [2.0], [3.0]])  # as MATLAB writes a row
    matlab_73(path, path.read_bytes()[512:])
    assert lists.read_matrix(path, "query").tolist() == [[1, 2, 3]]
    with pytest.raises(BadList, match="holds no matrix called other"):
        lists.read_matrix(path, "other")
    with pytest.raises(BadList, match=r"cannot be read as a MATLAB 7\.3 file"):
        lists.read_matrix(matlab_73(path), "query")


def test_without_h5py_a_matlab_73_file_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(BadList, match=r"is a MATLAB 7\.3 file, which only h5py reads: pip install h5py"):
        lists.read_matrix(matlab_73(tmp_path / "a.mat"), "query")


MARS = mars.Published(train=2, test=4, query=2, train_persons=1, test_persons=1)
MARS_TRAIN = ["0001C1T0001F001.jpg", "0001C1T0001F002.jpg", "0001C2T0001F001.jpg"]
MARS_TEST = [
    "00-1C1T0001F001.jpg",
    "0000C1T0001F001.jpg",
    "0000C1T0001F002.jpg",
    "0002C1T0001F001.jpg",
    "0002C4T0001F001.jpg",
    "0002C4T0001F002.jpg",
]


def mars_folder(folder: Path) -> Path:
    draw(folder / "bbox_train", [f"{name[:4]}/{name}" for name in MARS_TRAIN])
    draw(folder / "bbox_test", [f"{name[:4]}/{name}" for name in MARS_TEST])
    info = folder / "info"
    info.mkdir()
    (info / "train_name.txt").write_text("\n".join(MARS_TRAIN) + "\n")
    (info / "test_name.txt").write_text("\n".join(MARS_TEST) + "\n")
    savemat(info / "tracks_train_info.mat", {"track_train_info": np.array([[1, 2, 1, 1], [3, 3, 1, 2]])})
    test = np.array([[1, 1, -1, 1], [2, 3, 0, 1], [4, 4, 2, 1], [5, 6, 2, 4]])
    savemat(info / "tracks_test_info.mat", {"track_test_info": test})
    savemat(info / "query_IDX.mat", {"query_IDX": np.array([[3, 4]], np.uint16)})
    return folder


def test_mars_is_cut_into_tracklets_by_its_lists(tmp_path: Path) -> None:
    data = mars.load(mars_folder(tmp_path / "MARS"), MARS)
    assert data == mars.load(tmp_path, MARS)
    assert [(t.person, t.camera, len(t.paths)) for t in tracks_of(data.train)] == [(1, 1, 2), (1, 2, 1)]
    assert [(t.person, t.camera, len(t.paths)) for t in tracks_of(data.gallery)] == [
        (JUNK, 1, 1),
        (DISTRACTOR, 1, 2),
        (2, 1, 1),
        (2, 4, 2),
    ]
    assert tracks_of(data.query) == tracks_of(data.gallery)[2:]
    assert data.gallery[0] == Picture(tmp_path / "MARS/bbox_test/00-1/00-1C1T0001F001.jpg", JUNK, 1, 0, 1)


def test_part_of_mars_is_refused(tmp_path: Path) -> None:
    folder = mars_folder(tmp_path)
    with pytest.raises(PartialData, match="info holds 2 of 8,298 training tracklets"):
        mars.load(folder)
    (folder / "bbox_test/0002/0002C4T0001F002.jpg").unlink()
    with pytest.raises(PartialData, match=r"bbox_test holds 5 of the 6 pictures its list names, .*0002C4T0001F002"):
        mars.load(folder, MARS)


def test_lists_of_mars_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    folder = mars_folder(tmp_path)
    names = folder / "info" / "test_name.txt"
    names.write_text("\n".join(MARS_TEST[1:] + MARS_TEST[:1]))
    with pytest.raises(BadList, match=r"'0000C1T0001F001\.jpg' to tracklet 1, which is of person -1 in camera 1"):
        mars.load(folder, MARS)
    names.write_text("\n".join(MARS_TEST[:-1]))
    with pytest.raises(PartialData, match=r"test_name\.txt holds 5 of 6 names"):
        mars.load(folder, MARS)
    savemat(folder / "info" / "query_IDX.mat", {"query_IDX": np.array([[1, 4]])})
    with pytest.raises(BadList, match=r"query_IDX in .* must name test tracklets of persons from 1 to 4"):
        mars.load(folder, MARS)
    savemat(folder / "info" / "tracks_train_info.mat", {"track_train_info": np.array([[2, 1, 1, 1]])})
    with pytest.raises(BadList, match="rows of first frame, last frame, person, camera"):
        mars.load(folder, MARS)


LSVID = lsvid.Published(train=2, test=3, query=1, train_persons=2, test_persons=1)


def lsvid_folder(folder: Path) -> Path:
    tracks = {
        "list_seq_train.txt": ["tracklet_train/0000/0000_0000 0", "tracklet_train/0004/0004_0000 4"],
        "list_seq_test.txt": [
            "tracklet_test/0009/0009_0000 9",
            "tracklet_test/0009/0009_0001 9",
            "tracklet_test/j/j_1 -1",
        ],
    }
    for name, lines in tracks.items():
        (folder / "list_sequence").mkdir(parents=True, exist_ok=True)
        (folder / "list_sequence" / name).write_text("\n".join(lines))
        for camera, line in enumerate(lines, 14 - len(lines)):
            draw(folder, [f"{line.split()[0]}_{camera:02}_{frame:04}.jpg" for frame in range(2)])
    (folder / "test/data").mkdir(parents=True)
    savemat(folder / "test/data/info_test.mat", {"query": np.array([[2.0]])})
    return folder


def test_lsvid_is_read_by_its_lists(tmp_path: Path) -> None:
    data = lsvid.load(lsvid_folder(tmp_path / "LS-VID"), LSVID)
    assert data == lsvid.load(tmp_path, LSVID)
    assert [(t.person, t.camera, len(t.paths)) for t in tracks_of(data.train)] == [(1, 12, 2), (2, 13, 2)]
    assert [(t.person, t.camera) for t in tracks_of(data.gallery)] == [(3, 11), (3, 12), (JUNK, 13)]
    assert tracks_of(data.query) == tracks_of(data.gallery)[1:2]


def test_what_lsvid_lacks_is_named(tmp_path: Path) -> None:
    folder = lsvid_folder(tmp_path)
    with pytest.raises(PartialData, match="holds 2 of 2,831 tracks"):
        lsvid.load(folder)
    first = folder / "tracklet_test/0009/0009_0001_12_0001.jpg"
    first.rename(first.with_name("0009_0001_13_0001.jpg"))
    with pytest.raises(BadName, match="must name one camera from 1 to 15"):
        lsvid.load(folder, LSVID)
    for path in (folder / "tracklet_test/0009").glob("0009_0001_*"):
        path.unlink()
    with pytest.raises(MissingData, match=r"holds no files 0009_0001_\.\.\."):
        lsvid.load(folder, LSVID)
    savemat(folder / "test/data/info_test.mat", {"query": np.array([[4]])})
    with pytest.raises(BadList, match="must name tracks of the test list, from 1 to 3"):
        lsvid.load(folder, LSVID)
    (folder / "list_sequence/list_seq_test.txt").write_text("no person\n")
    with pytest.raises(BadList, match="must hold lines of a path and a person, and holds 'no person'"):
        lsvid.load(folder, LSVID)
