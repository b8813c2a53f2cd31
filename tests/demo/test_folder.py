import shutil
from pathlib import Path

import pytest
from PIL import Image

from service.demo.folder import BadFolder, read_folder
from service.demo.samples import MANIFEST, Sample


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 64), "red").save(path)
    return path


def test_sub_folders_are_cameras_and_equal_names_one_person(few: list[Sample], tmp_path: Path) -> None:
    picture(tmp_path / "gate" / "anna.png")
    shutil.copy(few[0].path, picture(tmp_path / "yard" / "anna.png").with_suffix(".mp4"))
    picture(tmp_path / "yard" / "deep" / "stranger.jpg")
    samples, skipped = read_folder(tmp_path)
    told = {(s.path.relative_to(tmp_path).as_posix(), s.kind, s.camera_id, s.person_id) for s in samples}
    assert told == {
        ("gate/anna.png", "image", "gate", "anna"),
        ("yard/anna.png", "image", "yard", "anna"),
        ("yard/anna.mp4", "video", "yard", "anna"),
        ("yard/deep/stranger.jpg", "image", "yard", None),
    }
    assert skipped == []


def test_in_a_flat_folder_nobody_is_known(tmp_path: Path) -> None:
    picture(tmp_path / "anna.png")
    picture(tmp_path / "anna.jpg")
    samples, _ = read_folder(tmp_path)
    assert [(sample.camera_id, sample.person_id) for sample in samples] == [(tmp_path.name, None)] * 2


def test_what_is_no_media_is_left_out_with_a_reason_and_hidden_files_without(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "notes.mp4").write_text("not a clip at all")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / ".DS_Store").write_bytes(b"\0\1")
    samples, skipped = read_folder(tmp_path)
    assert [sample.path.name for sample in samples] == ["a.png"]
    assert {path.name for path, reason in skipped if reason} == {"notes.mp4", "empty.jpg"}


def test_a_manifest_is_followed_as_far_as_it_goes(tmp_path: Path) -> None:
    picture(tmp_path / "x" / "1.png")
    picture(tmp_path / "x" / "2.png")
    picture(tmp_path / "x" / "unlisted.png")
    lines = ["path,person_id,camera_id,captured_at", "x/1.png,anna,gate,2026-01-02T03:04:05+00:00", "gone.mp4,b,gate,"]
    lines += ["x/2.png,,,yesterday"]
    (tmp_path / MANIFEST).write_text("\n".join(lines))
    samples, skipped = read_folder(tmp_path)
    first, second = samples
    assert (first.person_id, first.camera_id) == ("anna", "gate")
    assert first.captured_at is not None
    assert first.captured_at.hour == 3
    assert (second.person_id, second.camera_id, second.captured_at) == (None, tmp_path.name, None)
    assert [path.name for path, _ in skipped] == ["gone.mp4"]


def test_a_folder_that_is_not_there_or_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match="there is no folder"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(BadFolder, match="holds no picture and no clip"):
        read_folder(tmp_path)
