"""Which files are pictures and clips, and what the options say."""

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
import typer
from PIL import Image

from service.commands.failures import UserError, settings_with
from service.commands.media_files import find_media
from service.commands.options import read_tags, read_time


def picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (8, 16), "red").save(buffer, "JPEG")
    return buffer.getvalue()


CLIP_HEAD = b"\x00\x00\x00\x20ftypisom" + bytes(64)


def test_content_counts_and_names_do_not(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "clip.txt").write_bytes(CLIP_HEAD)
    (tmp_path / "a.mp4").write_bytes(picture())
    (tmp_path / "notes.jpg").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    found = find_media([tmp_path, tmp_path / "a.mp4"]).files
    assert [(file.path.name, file.kind) for file in found] == [
        ("a.mp4", "image"),
        ("clip.txt", "video"),
        ("a.mp4", "image"),
    ]


def test_what_is_left_out_is_told_and_the_damaged_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: `vills add FOLDER` left damaged and empty files out without a word, and exited with 0."""

    def told(path: Path) -> tuple[str, int]:
        found = find_media([path])
        found.tell()
        return capsys.readouterr().err, found.exit_code

    (tmp_path / "a.txt").write_text("notes")
    (tmp_path / "b.jpg").write_bytes(picture())
    assert told(tmp_path / "b.jpg") == ("", 0)
    assert told(tmp_path) == (f"vills: 1 file left out: neither picture nor clip (first: {tmp_path / 'a.txt'})\n", 0)
    (tmp_path / "c.MP4").touch()
    assert told(tmp_path) == (f"vills: 2 files left out: neither picture nor clip (first: {tmp_path / 'c.MP4'})\n", 1)
    found = find_media([tmp_path])
    assert [file.path.name for file in found.files] == ["b.jpg"]
    assert found.damaged == [tmp_path / "c.MP4"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "there is no file or folder"),
        ("notes.jpg", "neither a picture nor a clip"),
        ("folder", "holds no picture"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.jpg").write_text("not a picture")
    with pytest.raises(UserError, match=message) as caught:
        find_media([tmp_path / name])
    assert str(tmp_path / name) in str(caught.value)


def test_tags_and_times_are_read() -> None:
    assert read_tags(["a=b", "c=d=e", "f="]) == {"a": "b", "c": "d=e", "f": ""}
    assert read_tags(None) == {}
    assert read_time("2026-05-04T10:30:00Z") == datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
    assert read_time(None) is None


@pytest.mark.parametrize("word", ["a", "=b", ""])
def test_a_tag_needs_a_name_and_an_equals_sign(word: str) -> None:
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        read_tags([word])


@pytest.mark.parametrize("text", ["yesterday", "2026-05-04T10:30:00", "2026-05-04"])
def test_a_time_needs_its_offset(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not"):
        read_time(text)


def test_a_setting_that_breaks_its_rule_is_named_with_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VILLS_PORT", "99999")
    with pytest.raises(UserError, match=r"VILLS_PORT is '99999', which breaks its rule: .*65535"):
        settings_with()
    assert settings_with(port=80, host=None).port == 80


def test_a_rule_of_our_own_is_told_without_pydantic_s_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VILLS_DECODER_MEMORY_BYTES", "1")
    with pytest.raises(UserError, match=r"VILLS_DECODER_MEMORY_BYTES is '1', which breaks its rule: a child's"):
        settings_with()
