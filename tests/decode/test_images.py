"""Images: what comes back as crops, and what is refused."""

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from service.decode.errors import BadBox, DamagedMedia, EmptyFile, MediaError, TooManyPixels, UnsupportedMedia
from service.decode.picture import BACKGROUND
from tests.decode.conftest import Decoder
from tests.decode.samples import SAMPLING, encoded, noise, scene

FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}


def stretched(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    size = SAMPLING.width, SAMPLING.height
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR)).astype(np.int16)


def file(folder: Path, content: bytes, name: str = "upload") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("image_format", FORMATS)
def test_formats_are_known_by_content_whatever_the_name(tmp_path: Path, decoder: Decoder, image_format: str) -> None:
    path = file(tmp_path, encoded(scene(), image_format), "misleading.mp4")

    probe = decoder.probe(path)
    crops = decoder.crops(path)

    assert (probe.kind, probe.extension, probe.width, probe.height) == ("image", FORMATS[image_format], 64, 128)
    assert crops.kind == "image" and crops.media_type == probe.media_type == f"image/{image_format.lower()}"
    assert crops.clips.shape == (1, 1, 64, 32, 3) and crops.clips.dtype == np.uint8
    assert (crops.lengths, crops.n_frames, crops.start_s, crops.end_s) == ([1], 1, 0.0, 0.0)
    assert crops.box == (0, 0, 64, 128) and (crops.width, crops.height) == (64, 128)
    assert crops.thumbnail is None
    assert np.abs(crops.clips[0, 0] - stretched(scene())).mean() < 4


def test_crops_belong_to_the_caller(tmp_path: Path, decoder: Decoder) -> None:
    path = file(tmp_path, encoded(scene(), "PNG"))
    first = decoder.crops(path)
    kept = first.clips.copy()
    decoder.crops(file(tmp_path, encoded(noise(64, 128), "PNG"), "other"))

    assert np.array_equal(first.clips, kept)
    first.clips[:] = 0


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (32, 64), (31, 65)])
def test_odd_sizes_give_a_crop_of_the_same_size(tmp_path: Path, decoder: Decoder, size: tuple[int, int]) -> None:
    crops = decoder.crops(file(tmp_path, encoded(noise(*size), "PNG")), thumbnail=True)

    assert crops.clips.shape == (1, 1, 64, 32, 3)
    assert crops.thumbnail is not None
    assert max(Image.open(BytesIO(crops.thumbnail)).size) == min(256, max(size))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("box", [None, (3, 5, 20, 41)])
def test_exif_orientation_is_applied_before_the_box(
    tmp_path: Path, decoder: Decoder, orientation: int, box: tuple[int, int, int, int] | None
) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    content = encoded(scene(48, 90), "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(content)))

    crops = decoder.crops(file(tmp_path, content), box=box)

    assert (crops.width, crops.height) == upright.size
    x, y, width, height = box or (0, 0, *upright.size)
    expected = stretched(upright.crop((x, y, x + width, y + height)))
    assert np.abs(crops.clips[0, 0] - expected).max() <= 2
    assert crops.box == (x, y, width, height)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_keeps_its_box(tmp_path: Path, decoder: Decoder, orientation: int) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    content = encoded(scene(1203, 2407), "JPEG", exif=exif, quality=95)
    upright = ImageOps.exif_transpose(Image.open(BytesIO(content)))
    box = (301, 203, 777, 901)

    crops = decoder.crops(file(tmp_path, content), box=box, thumbnail=True)

    assert (crops.width, crops.height, crops.box) == (*upright.size, box)
    expected = stretched(upright.crop((301, 203, 1078, 1104)))
    assert np.abs(crops.clips[0, 0] - expected).mean() < 2
    assert crops.thumbnail is not None
    assert Image.open(BytesIO(crops.thumbnail)).size == (221, 256)


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 5), (0, 0, 5, 0), (-1, 0, 5, 5), (0, -1, 5, 5), (60, 0, 5, 5), (0, 124, 5, 5), (0, 0, 10**9, 1)]
)
def test_a_box_outside_is_refused_with_the_size(
    tmp_path: Path, decoder: Decoder, box: tuple[int, int, int, int]
) -> None:
    with pytest.raises(BadBox, match="64 x 128 pixels"):
        decoder.crops(file(tmp_path, encoded(scene(), "PNG")), box=box)


def test_every_mode_becomes_rgb(tmp_path: Path, decoder: Decoder) -> None:
    colours = scene()
    greys = colours.convert("L")
    deep = Image.fromarray(np.asarray(greys).astype(np.uint16) * 257)
    cases = {
        "palette": (encoded(colours.quantize(16), "PNG"), colours),
        "grey": (encoded(greys, "PNG"), greys),
        "one bit": (encoded(greys.point(lambda level: 255 * (level > 80)).convert("1"), "PNG"), None),
        "16-bit grey": (encoded(deep, "PNG"), greys),
        "CMYK": (encoded(colours.convert("CMYK"), "JPEG", quality=95), colours),
        "grey and alpha": (encoded(greys.convert("LA"), "PNG"), greys),
    }
    for name, (content, expected) in cases.items():
        clips = decoder.crops(file(tmp_path, content)).clips
        assert clips.shape == (1, 1, 64, 32, 3), name
        if expected is not None:
            assert np.abs(clips[0, 0] - stretched(expected)).mean() < 6, name


@pytest.mark.parametrize("mode", ["RGBA", "P", "RGB with a transparent colour"])
def test_transparent_pixels_become_the_background(tmp_path: Path, decoder: Decoder, mode: str) -> None:
    if mode == "RGBA":
        content = encoded(Image.new("RGBA", (40, 80), (255, 0, 0, 0)), "PNG")
    elif mode == "P":
        content = encoded(Image.new("P", (40, 80), 0), "PNG", transparency=0)
    else:
        content = encoded(Image.new("RGB", (40, 80), (9, 8, 7)), "PNG", transparency=(9, 8, 7))

    clips = decoder.crops(file(tmp_path, content)).clips

    assert (clips == np.array(BACKGROUND)).all()


def test_of_an_animation_the_first_picture_counts(tmp_path: Path, decoder: Decoder) -> None:
    others = [Image.new("RGB", (64, 128), "black")] * 3
    content = encoded(scene(), "WEBP", save_all=True, append_images=others, lossless=True)

    crops = decoder.crops(file(tmp_path, content))

    assert crops.n_frames == 1
    assert np.abs(crops.clips[0, 0] - stretched(scene())).max() <= 2


def test_the_thumbnail_is_the_box_in_its_own_shape(tmp_path: Path, decoder: Decoder) -> None:
    path = file(tmp_path, encoded(scene(1000, 500), "PNG"))
    crops = decoder.crops(path, box=(0, 0, 400, 200), thumbnail=True)

    assert crops.thumbnail is not None
    thumbnail = Image.open(BytesIO(crops.thumbnail))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (256, 128))
    assert np.allclose(np.asarray(thumbnail).mean((0, 1)), (220, 30, 36), atol=4)


@pytest.mark.parametrize("image_format", FORMATS)
def test_too_many_pixels_are_refused_by_the_header(tmp_path: Path, tight: Decoder, image_format: str) -> None:
    path = file(tmp_path, encoded(scene(101, 100), image_format))
    for ask in (tight.probe, tight.crops):
        with pytest.raises(TooManyPixels, match=r"101 x 100 = 10100 pixels, the limit is 10000") as refused:
            ask(path)
        assert refused.value.status == 413


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, decoder: Decoder) -> None:
    """The header states 60000 x 60000; the data behind it need not exist."""
    png = bytearray(encoded(scene(), "PNG"))
    png[16:24] = (60000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    webp = bytearray(encoded(scene(), "WEBP", lossless=True))
    webp[21:25] = (16382 | 16382 << 14).to_bytes(4, "little")
    for content in (png, webp):
        with pytest.raises(TooManyPixels):
            decoder.crops(file(tmp_path, bytes(content)))


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_cut_file_is_damaged_or_gives_the_whole_picture(tmp_path: Path, decoder: Decoder, image_format: str) -> None:
    content = encoded(noise(64, 128), image_format)
    whole = decoder.crops(file(tmp_path, content)).clips
    n_refused = 0
    for length in sorted({*range(20, len(content), max(1, len(content) // 60)), len(content) - 1}):
        path = file(tmp_path, content[:length], "cut")
        try:
            assert np.array_equal(decoder.crops(path).clips, whole), length
        except DamagedMedia as error:
            n_refused += 1
            assert error.status == 422 and "cut short" in error.detail
    assert n_refused > 50


def test_an_empty_file_says_so(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(EmptyFile, match="empty") as refused:
        decoder.probe(file(tmp_path, b"", "empty.jpg"))
    assert (refused.value.status, refused.value.code) == (415, "media_empty")


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
UNACCEPTED = {
    "svg.png": (SVG, "HTML, XML or SVG text"),
    "page.jpg": (b"<!doctype html><script>alert(1)</script>", "HTML, XML or SVG text"),
    "playlist.mp4": (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", "playlist"),
    "concat.mp4": (b"ffconcat version 1.0\nfile /etc/passwd\n", "playlist"),
    "animation.png": (encoded(Image.new("P", (9, 9)), "GIF"), "image/gif"),
    "scan.jpg": (encoded(Image.new("RGB", (9, 9)), "TIFF"), "image/tiff"),
    "paper.jpg": (b"%PDF-1.7\n1 0 obj\n", "application/pdf"),
    "archive.jpg": (b"PK\x03\x04" + bytes(60), "application/zip"),
    "phone.jpg": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(80), "image/heic"),
    "noise.jpg": (bytes(range(128, 256)) * 9, "unknown type"),
    "bitmap.bmp": (b"BM" + bytes(60), "begins like image/bmp"),
}


@pytest.mark.parametrize("name", UNACCEPTED)
def test_what_is_not_accepted_is_named(tmp_path: Path, decoder: Decoder, name: str) -> None:
    content, described = UNACCEPTED[name]
    for ask in (decoder.probe, decoder.crops):
        with pytest.raises(UnsupportedMedia, match=described) as refused:
            ask(file(tmp_path, content, name))
        assert refused.value.status == 415
        assert "accepted are images as JPEG" in refused.value.detail


def test_only_regular_files_are_read(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(UnsupportedMedia, match="regular"):
        decoder.probe(Path("/dev/zero"))
    with pytest.raises(UnsupportedMedia, match="regular"):
        decoder.crops(tmp_path)
    with pytest.raises(FileNotFoundError):
        decoder.crops(tmp_path / "nothing")


def test_a_polyglot_is_what_it_begins_as(tmp_path: Path, decoder: Decoder) -> None:
    content = encoded(scene(), "JPEG") + b"\n#EXTM3U\nfile:///etc/passwd\n" + SVG
    assert decoder.probe(file(tmp_path, content, "both.svg")).media_type == "image/jpeg"


MAGIC = [encoded(scene(), name)[:40] for name in FORMATS] + [b"", b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba", b"G"]
MAGIC += [b"\x00\x00\x00\x20ftypisom", b"RIFF\x00\x00\x00\x00AVI "]


@given(magic=st.sampled_from(MAGIC), rest=st.binary(max_size=600))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_refused_in_words(tmp_path: Path, decoder: Decoder, magic: bytes, rest: bytes) -> None:
    path = file(tmp_path, magic + rest)
    try:
        crops = decoder.crops(path)
        assert crops.clips.shape[2:] == (64, 32, 3)
    except MediaError as error:
        assert error.status in {413, 415, 422} and error.detail
        assert error.code != "decoder_failed" or "of memory" in error.detail, error.detail


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_give_a_picture_or_a_refusal(tmp_path: Path, decoder: Decoder, data: st.DataObject) -> None:
    content = bytearray(encoded(noise(40, 60), data.draw(st.sampled_from(sorted(FORMATS)))))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[position] ^= data.draw(st.integers(1, 255))
    try:
        decoder.crops(file(tmp_path, bytes(content)), thumbnail=True)
    except MediaError as error:
        assert error.code != "decoder_failed" or "of memory" in error.detail, error.detail
