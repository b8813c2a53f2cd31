"""The form reader: however the body is cut into chunks, the form is the same."""

import hashlib
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.multipart import BodyLimits, FormReader, clean_filename
from service.errors import Problem

LIMITS = BodyLimits(body_bytes=10**6, files=4)


def encoded(values: dict[str, str], files: list[bytes]) -> tuple[bytes, bytes]:
    """Boundary and body, written by the HTTP client people use."""
    request = httpx.Request("POST", "http://x", data=values, files=[("file", ("a.bin", content)) for content in files])
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    return boundary, request.read()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=st.dictionaries(st.text("abcdef", min_size=1), st.text(max_size=40), max_size=4),
    files=st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    step=st.integers(1, 50),
)
def test_chunks_make_no_difference(tmp_path: Path, values: dict[str, str], files: list[bytes], step: int) -> None:
    boundary, body = encoded(values, files)
    reader = FormReader(boundary, tmp_path, "part", LIMITS)
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    form = reader.finish()
    assert form.values == {name: [text] for name, text in values.items()}
    assert [file.path.read_bytes() for file in form.files] == files
    assert [file.sha256 for file in form.files] == [hashlib.sha256(content).hexdigest() for content in files]
    assert [file.size_bytes for file in form.files] == [len(content) for content in files]
    reader.close()
    assert not list(tmp_path.iterdir())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=st.binary(max_size=400), cut=st.integers(0, 400))
def test_nonsense_is_refused_and_leaves_nothing(tmp_path: Path, body: bytes, cut: int) -> None:
    boundary, whole = encoded({"a": "b"}, [b"content"])
    for hostile in (body, whole[: min(cut, len(whole) - 3)], whole[:cut] + body):
        reader = FormReader(boundary, tmp_path, "part", LIMITS)
        try:
            reader.feed(hostile)
            reader.finish()
        except Problem as problem:
            assert 400 <= problem.status < 500
        finally:
            reader.close()
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("walk.mp4", "walk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\clips\\walk.mp4", "walk.mp4"),
        ("a\x00b\r\n.jpg", "ab.jpg"),
        ("", None),
        ("/", None),
        ("x" * 300, "x" * 255),
        ("wälk.mp4", "wälk.mp4"),
    ],
)
def test_file_names_are_text_and_no_paths(given_name: str, kept: str | None) -> None:
    assert clean_filename(given_name) == kept


# Bug: without a plain file name the picture was read as text: "file is not UTF-8", or "longer than 16384 bytes".
@pytest.mark.parametrize("rest", [b"", b"; filename*=UTF-8''w%C3%A4lk.jpg"])
@pytest.mark.parametrize("content", [b"\xff\xd8\xff", bytes(20_000)])
def test_a_part_named_file_is_a_file_without_a_file_name_too(tmp_path: Path, rest: bytes, content: bytes) -> None:
    reader = FormReader(b"x", tmp_path, "part", LIMITS)
    head = b'--x\r\nContent-Disposition: form-data; name="file"' + rest + b"\r\n\r\n"
    reader.feed(head + content + b"\r\n--x--\r\n")
    [file] = reader.finish().files
    assert file.filename is None
    assert file.path.read_bytes() == content
    reader.close()
