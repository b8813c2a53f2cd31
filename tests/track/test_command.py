"""`vills tracks` from end to end: the folder it makes, and what is left of it when it is stopped."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import model.detect.yolox
from model.data.build import load_dataset
from model.data.tracks import tracks_of
from service.commands.main import main
from service.local.track_folder import COLUMNS
from tests.decode.samples import write_video
from tests.model.shared_files import shared_file
from tests.track.red_boxes import RedDetector, film
from tests.track.street import street


@pytest.fixture
def red(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """The command finds red boxes; the value makes its detector call something at every look."""

    def install(look: Callable[[int], None] = lambda number: None) -> None:
        def built(path: Path, *, device: str, threads: int) -> RedDetector:
            assert path == Path("red.onnx") and threads >= 1
            return RedDetector(look)

        monkeypatch.setattr(model.detect.yolox, "PersonDetector", built)

    install()
    return install


def tracks(*arguments: Any, detector: Any = "red.onnx") -> int:
    with pytest.raises(SystemExit) as caught:
        main(["tracks", *map(str, arguments), "--detector", str(detector)])
    return int(caught.value.code or 0)


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert tuple(reader.fieldnames or ()) == COLUMNS
    return rows


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_drawn_people_become_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detector = shared_file("models/yolox_nano_416.onnx")
    footage, out = write_video(tmp_path / "street.mp4", list(street(2, 7)), rate=10), tmp_path / "cut"
    assert tracks(footage, "--out", out, "--threads", 1, "--camera", "gate", detector=detector) == 0
    told = capsys.readouterr()
    assert "street: 2 tracks" in told.out and "2 tracks listed" in told.out and told.err == ""
    rows = rows_of(out / "manifest.csv")
    assert files_in(out) == {row["path"] for row in rows} | {"manifest.csv", "street/tracks.csv"}
    assert {row["camera_id"] for row in rows} == {"gate"}
    for row in rows:
        with Image.open(out / row["path"]) as picture:
            assert picture.format == "JPEG" and picture.height > 150 and picture.width < picture.height
            assert np.asarray(picture).std() > 15  # somebody is in it
        assert row["person_id"] == row["track_id"]
        assert row["path"] == f"street/{row['track_id'].removeprefix('street-')}/{int(row['frame']):06d}.jpg"

    dataset = load_dataset("csv", out)
    found = tracks_of(dataset.train)
    assert len(found) == 2 and all(len(track.paths) > 35 for track in found)
    assert len({track.person for track in found}) == 2


def test_the_pictures_are_the_boxes(tmp_path: Path, red: object) -> None:
    assert tracks(film(tmp_path / "a.mp4"), "--out", tmp_path / "cut") == 0
    rows = rows_of(tmp_path / "cut" / "manifest.csv")
    assert [row["frame"] for row in rows] == [str(number) for number in range(30)]
    for row in rows:
        with Image.open(tmp_path / "cut" / row["path"]) as picture:
            assert abs(picture.width - 32) <= 3 and abs(picture.height - 85) <= 3
            red_share = (np.asarray(picture)[..., 0] > 150).mean()
            assert 0.75 < red_share < 0.98  # the box and a margin


def test_several_films_and_a_second_run(
    tmp_path: Path, red: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "films", tmp_path / "cut"
    folder.mkdir()
    film(folder / "a.mp4")
    film(folder / "b, of the day.mkv", 30, 10, 100)
    assert tracks(folder, "--out", out) == 0
    rows = rows_of(out / "manifest.csv")
    assert {(row["track_id"], row["camera_id"]) for row in rows} == {
        ("a-0001", "a"),
        ("b, of the day-0001", "b, of the day"),
        ("b, of the day-0002", "b, of the day"),
    }
    assert len(tracks_of(load_dataset("csv", out).train)) == 3
    assert len(tracks_of(load_dataset("csv", out / "a" / "tracks.csv").train)) == 1  # each film is a data set too

    red(pytest.fail)  # nothing is looked at again
    assert tracks(folder, "--out", out) == 0
    assert "a: there from before" in capsys.readouterr().out
    assert rows_of(out / "manifest.csv") == rows

    shutil.rmtree(out / "a")
    red()
    film(folder / "c.mp4")
    assert tracks(folder / "c.mp4", "--out", out) == 0
    assert {row["track_id"][:2] for row in rows_of(out / "manifest.csv")} == {"b,", "c-"}
    assert tracks(folder / "a.mp4", "--out", out) == 0
    assert {row["track_id"][:2] for row in rows_of(out / "manifest.csv")} == {"a-", "b,", "c-"}


def test_nobody_in_the_footage(tmp_path: Path, red: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert tracks(film(tmp_path / "a.mp4", 30, 500), "--out", tmp_path / "cut") == 0
    assert "a: 0 tracks, 0 pictures" in capsys.readouterr().out
    assert rows_of(tmp_path / "cut" / "manifest.csv") == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("place", ["looking", "cutting"])
def test_stopped_half_way_the_films_before_are_whole_and_nothing_else_is_there(
    tmp_path: Path,
    red: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: type[BaseException],
) -> None:
    first, second, out = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", 30, 10, 100), tmp_path / "cut"

    def stop_looking(number: int) -> None:
        if place == "looking" and number == 45:
            raise error

    save = Image.Image.save

    def stop_cutting(image: Image.Image, path: Path, *rest: Any, **options: Any) -> None:
        if place == "cutting" and "b/0002" in path.as_posix():
            raise error
        save(image, path, *rest, **options)

    red(stop_looking)
    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", stop_cutting)
        if error is KeyboardInterrupt:
            assert tracks(first, second, "--out", out) != 0
        else:
            with pytest.raises(error):
                main(["tracks", str(first), str(second), "--out", str(out), "--detector", "red.onnx"])
    assert {path.name for path in out.iterdir()} == {"a", "manifest.csv"}
    assert {row["track_id"] for row in rows_of(out / "manifest.csv")} == {"a-0001"}
    red()
    assert tracks(first, second, "--out", out) == 0
    assert {row["track_id"] for row in rows_of(out / "manifest.csv")} == {"a-0001", "b-0001", "b-0002"}


def test_what_a_killed_run_left_is_cleared_and_mended(tmp_path: Path, red: object) -> None:
    out = tmp_path / "cut"
    assert tracks(film(tmp_path / "a.mp4"), "--out", out) == 0
    listed = (out / "manifest.csv").read_text()
    (out / "manifest.csv").unlink()  # killed just before it was written
    (out / ".unfinished" / "b" / "0001").mkdir(parents=True)
    (out / ".unfinished" / "b" / "0001" / "000099.jpg").write_bytes(b"half a pic")
    assert tracks(film(tmp_path / "b.mp4"), "--out", out) == 0
    assert {path.name for path in out.iterdir()} == {"a", "b", "manifest.csv"}
    assert (out / "manifest.csv").read_text().startswith(listed)
    assert not any("000099" in name for name in files_in(out))


def test_an_interrupt_from_the_keyboard_stops_a_real_run(tmp_path: Path) -> None:
    detector, long = shared_file("models/yolox_nano_416.onnx"), shared_file("video/intel_one_by_one.mp4")
    first = film(tmp_path / "a.mp4", 5)
    command = [sys.executable, "-u", "-m", "service.commands.main", "tracks", str(first), str(long)]
    command += ["--out", str(tmp_path / "cut"), "--detector", str(detector), "--threads", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("a: 0 tracks")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=40)
    assert process.returncode not in (0, None) and "Traceback" not in err
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"a", "manifest.csv"}


def test_a_damaged_film_is_named_and_leaves_nothing(
    tmp_path: Path, red: object, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = film(tmp_path / "a.mp4")
    content = bytearray(film(tmp_path / "b.mp4", 60).read_bytes())
    at = content.index(b"mdat") + 400
    content[at : at + 2000] = bytes(2000)
    (tmp_path / "b.mp4").write_bytes(content)
    assert tracks(whole, tmp_path / "b.mp4", "--out", tmp_path / "cut") == 2
    assert "b.mp4 cannot be cut into tracks: the video is damaged" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"a", "manifest.csv"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{lost}.mp4"], "there is no file or folder"),
        (["{folder}/picture.png"], "is a picture: name the videos alone"),
        (["{folder}/text.txt"], "neither a picture nor a clip"),
        (["{folder}/a.mp4", "{folder}/sub/a.mkv"], "are both a: rename one"),
        (["{folder}/manifest.csv.mp4"], "cannot be named 'manifest.csv'"),
        (["{folder}/a.mp4", "--fps", "0"], "--fps is above 0"),
        (["{folder}/a.mp4", "--fps", "nan"], "--fps is above 0"),
        (["{folder}/a.mp4", "--min-seconds", "-1"], "--min-seconds is not below 0"),
        (["{folder}/a.mp4", "--camera", " "], "--camera is empty"),
        (["{folder}/a.mp4", "--out", "{lost}/cut"], "cannot take tracks"),
        (["{folder}/a.mp4", "--out", "{folder}/a.mp4"], "cannot take tracks"),
        (["{folder}/a.mp4", "--out", "{folder}/foreign"], "has not the columns"),
        (["{folder}/a.mp4", "--out", "{folder}/alike"], "no footage was cut into it"),
        (["{folder}/a.mp4", "--out", "{folder}/taken"], "no footage was cut into it"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_before_anything_is_written(
    tmp_path: Path, red: object, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    for name in ("sub", "foreign", "alike/x", "taken/a"):
        (folder / name).mkdir(parents=True)
    for name in ("a.mp4", "sub/a.mkv", "manifest.csv.mp4"):
        film(folder / name, 5)
    Image.new("RGB", (40, 80)).save(folder / "picture.png")
    (folder / "text.txt").write_text("no film")
    (folder / "foreign" / "manifest.csv").write_text("path,person_id,camera_id\nx.jpg,1,1\n")
    (folder / "alike" / "manifest.csv").write_text(",".join(COLUMNS) + "\nx/y.jpg,1,1,1,1\n")
    before = files_in(folder)
    given = [argument.format(folder=folder, lost=tmp_path / "lost") for argument in arguments]
    options = [] if "--out" in given else ["--out", tmp_path / "cut"]
    assert tracks(*given, *options) == 2
    assert message in capsys.readouterr().err
    assert files_in(folder) == before
    assert not (tmp_path / "cut").exists() or not list((tmp_path / "cut").iterdir())


def test_a_detector_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tracks(film(tmp_path / "a.mp4", 5), "--out", tmp_path / "cut", detector="lost.onnx") == 2
    assert "lost.onnx does not exist" in capsys.readouterr().err


def test_damaged_files_of_a_folder_are_told(tmp_path: Path, red: object, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    film(folder / "a.mp4")
    (folder / "b.mp4").write_bytes(b"")
    assert tracks(folder, "--out", tmp_path / "cut") == 1
    assert "1 file left out" in capsys.readouterr().err
    assert len(rows_of(tmp_path / "cut" / "manifest.csv")) == 30
