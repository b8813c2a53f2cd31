"""Videos: which frames come back, and what is refused."""

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from model.sampling import EVEN, Sampling, frame_indices
from service.decode.crops import Crops, CropSampling
from service.decode.errors import (
    BadBox,
    DamagedMedia,
    MediaError,
    TooLong,
    TooManyFrames,
    TooManyPixels,
    TooManyStreams,
    UnsupportedMedia,
    WrongKind,
)
from tests.decode.conftest import Decoder
from tests.decode.samples import CODECS, SAMPLING, encoded, flat_frames, grey, scene, write_sound, write_video

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".avi": "video/x-msvideo",
    ".ts": "video/mp2t",
    ".mpg": "video/mpeg",
}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


def shown(crops: Crops) -> list[list[int]]:
    """The index of each frame in each clip, read off its grey level."""
    levels = np.array([grey(index) for index in range(70)])
    means = crops.clips.mean((2, 3, 4))
    return [[int(np.abs(levels - mean).argmin()) for mean in clip] for clip in means]


def expected(n_frames: int, sampling: CropSampling = SAMPLING) -> list[list[int]]:
    rule = Sampling(sampling.frames, sampling.height, sampling.width, sampling.max_clips, sampling.rule)
    clips = [clip.tolist() for clip in frame_indices(n_frames, rule)]
    return [clip + clip[-1:] * (sampling.frames - len(clip)) for clip in clips]


@pytest.mark.parametrize("ending", CODECS)
def test_containers_are_known_by_content_whatever_the_name(tmp_path: Path, decoder: Decoder, ending: str) -> None:
    path = write_video(tmp_path / f"video{ending}", flat_frames(25), rate=25).rename(tmp_path / "misleading.jpg")

    probe = decoder.probe(path)
    crops = decoder.crops(path, thumbnail=True)

    assert (probe.kind, probe.media_type, probe.extension) == ("video", MEDIA_TYPES[ending], ending)
    assert (probe.width, probe.height) == (crops.width, crops.height) == (64, 128)
    assert (crops.kind, crops.n_frames, crops.lengths) == ("video", 25, [8, 8, 8, 1])
    assert crops.clips.shape == (4, 8, 64, 32, 3)
    assert shown(crops) == expected(25)
    assert crops.start_s == 0 and crops.end_s == pytest.approx(1, abs=0.05)
    assert crops.thumbnail is not None
    thumbnail = Image.open(BytesIO(crops.thumbnail))
    assert thumbnail.size == (64, 128)
    assert abs(np.asarray(thumbnail).mean() - grey(12)) < 3


@pytest.mark.parametrize("n_frames", [1, 7, 8, 9, 16, 63, 64, 65, 69])
@pytest.mark.parametrize("options", [{}, FRAGMENTED], ids=["stated", "fragmented"])
def test_the_sampling_rule_chooses_the_frames(
    tmp_path: Path, decoder: Decoder, n_frames: int, options: dict[str, str]
) -> None:
    crops = decoder.crops(write_video(tmp_path / "a.mp4", flat_frames(n_frames), options=options))

    assert crops.n_frames == n_frames
    assert crops.lengths == [len(clip) for clip in frame_indices(n_frames, Sampling(8, 64, 32))]
    assert shown(crops) == expected(n_frames)


@pytest.mark.parametrize("n_frames", [1, 9, 13, 25, 64, 65])
def test_clips_of_equal_length_are_padded_each_with_its_own_last_frame(
    tmp_path: Path, decoder: Decoder, n_frames: int
) -> None:
    even = replace(SAMPLING, rule=EVEN)
    crops = decoder.crops(write_video(tmp_path / "a.mp4", flat_frames(n_frames)), even)
    assert crops.lengths == [len(clip) for clip in frame_indices(n_frames, Sampling(8, 64, 32, rule=EVEN))]
    assert shown(crops) == expected(n_frames, even)


def test_a_wrong_statement_of_the_length_changes_nothing(tmp_path: Path, decoder: Decoder) -> None:
    """Frames at uneven times: duration times rate is not their number, so the file is decoded twice."""
    few = CropSampling(frames=4, height=64, width=32, max_clips=3, rule="spread-1")
    times = [index if index < 30 else 30 + 3 * (index - 30) for index in range(60)]
    path = write_video(tmp_path / "uneven.mkv", flat_frames(60), times=times)

    crops = decoder.crops(path, few, thumbnail=True)

    assert crops.n_frames == 60 and shown(crops) == expected(60, few)
    assert crops.thumbnail is not None
    middle = expected(60, few)[1][1]  # the sixth of twelve
    assert abs(np.asarray(Image.open(BytesIO(crops.thumbnail))).mean() - grey(middle)) < 3


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_is_applied_before_the_box(tmp_path: Path, decoder: Decoder, rotation: int) -> None:
    picture = scene(128, 64)
    upright = picture.rotate(rotation, expand=True)
    path = write_video(tmp_path / "turned.mp4", [np.asarray(picture)] * 3, rotation=rotation)
    width, height = upright.size
    box = (0, 0, width // 2, height // 2)

    crops = decoder.crops(path, box=box, thumbnail=True)

    assert (crops.width, crops.height, crops.box) == (width, height, box)
    probe = decoder.probe(path)
    assert (probe.width, probe.height) == (width, height)
    corner = np.asarray(upright.crop((0, 0, width // 2, height // 2)))
    assert np.abs(crops.clips.mean((0, 1, 2, 3)) - corner.mean((0, 1))).max() < 12
    assert crops.thumbnail is not None
    assert Image.open(BytesIO(crops.thumbnail)).size == (width // 2, height // 2)


def test_a_box_outside_is_refused(tmp_path: Path, decoder: Decoder) -> None:
    with pytest.raises(BadBox, match="64 x 128"):
        decoder.crops(write_video(tmp_path / "a.mp4", flat_frames(3)), box=(60, 0, 10, 10))


def test_limits_are_named(tmp_path: Path, tight: Decoder) -> None:
    cases: list[tuple[type[MediaError], str, Path]] = [
        (TooManyFrames, "40 frames", write_video(tmp_path / "frames.mp4", flat_frames(41), rate=60)),
        (TooLong, "2 seconds", write_video(tmp_path / "long.mp4", flat_frames(35), rate=15)),
        (TooLong, "2 seconds", write_video(tmp_path / "gap.mkv", flat_frames(2), times=[0, 15_000])),
        (TooManyPixels, "64 x 130 = 8320", write_video(tmp_path / "large.mp4", flat_frames(2, 64, 130))),
        (TooManyStreams, "20 streams", write_video(tmp_path / "streams.mp4", flat_frames(2), n_streams=20)),
    ]
    for error, match, path in cases:
        with pytest.raises(error, match=match) as refused:
            tight.crops(path)
        assert refused.value.status == 413
        assert refused.value.detail.endswith(("cut it into parts", "send a smaller one", "send the video stream alone"))
    assert tight.crops(write_video(tmp_path / "fits.mp4", flat_frames(30))).n_frames == 30


def test_sound_alone_is_no_video(tmp_path: Path, decoder: Decoder) -> None:
    for ending in (".mp4", ".mkv"):
        with pytest.raises(UnsupportedMedia, match="no video stream, only audio"):
            decoder.probe(write_sound(tmp_path / f"sound{ending}"))


def test_an_unaccepted_codec_is_named(tmp_path: Path, decoder: Decoder) -> None:
    path = write_video(tmp_path / "lossless.mkv", flat_frames(3), codec="ffv1")
    with pytest.raises(UnsupportedMedia, match="coded as ffv1; accepted are av1, ") as refused:
        decoder.probe(path)
    assert refused.value.status == 415


def test_names_need_not_be_text(tmp_path: Path, decoder: Decoder) -> None:
    for name in (b"caf\xe9 100% :file:http:x.mp4", "日本語.mp4".encode()):
        path = tmp_path / os.fsdecode(name)
        write_video(tmp_path / "a.mp4", flat_frames(3)).rename(path)
        assert decoder.crops(path).n_frames == 3


def test_the_wrong_kind_is_refused_before_decoding(tmp_path: Path, decoder: Decoder) -> None:
    video = write_video(tmp_path / "a.mp4", flat_frames(2))
    image = tmp_path / "image"
    image.write_bytes(encoded(scene(), "PNG"))
    with pytest.raises(WrongKind, match="image expected, the content is video/mp4") as refused:
        decoder.crops(video, expect="image")
    assert refused.value.status == 415
    with pytest.raises(WrongKind, match="video expected, the content is image/png"):
        decoder.probe(image, expect="video")
    assert decoder.probe(image, expect="image").kind == "image"


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        (".mp4", {}),
        (".mp4", {"movflags": "faststart"}),
        (".mp4", FRAGMENTED),
        (".mkv", {}),
        (".webm", {}),
        (".avi", {}),
    ],
)
def test_a_cut_file_is_damaged_or_gives_the_whole_video(
    tmp_path: Path, decoder: Decoder, ending: str, options: dict[str, str]
) -> None:
    path = write_video(tmp_path / f"whole{ending}", flat_frames(12), options=options)
    content = path.read_bytes()
    whole = decoder.crops(path)
    n_whole = 0
    for length in sorted({*range(64, len(content), max(1, len(content) // 50)), len(content) - 1}):
        cut = tmp_path / "cut"
        cut.write_bytes(content[:length])
        try:
            crops = decoder.crops(cut)
            assert crops.n_frames == 12 and np.array_equal(crops.clips, whole.clips), length
            n_whole += 1
        except DamagedMedia as error:
            assert error.status == 422
    assert n_whole <= 3


def test_damage_further_in_names_the_frame(tmp_path: Path, decoder: Decoder) -> None:
    noise = np.random.default_rng(0)
    frames = [noise.integers(0, 256, (128, 64, 3), dtype=np.uint8) for _ in range(24)]
    content = bytearray(write_video(tmp_path / "a.mp4", frames, options={"movflags": "faststart"}).read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) * 3 // 4
    content[middle : middle + 6000] = bytes(6000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)

    assert decoder.probe(path).kind == "video"
    with pytest.raises(DamagedMedia, match=r"frame \d+"):
        decoder.crops(path)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_give_frames_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, decoder: Decoder, data: st.DataObject
) -> None:
    ending = data.draw(st.sampled_from(sorted(CODECS)))
    whole = tmp_path_factory.getbasetemp() / f"flipped{ending}"
    if not whole.exists():
        write_video(whole, flat_frames(6))
    content = bytearray(whole.read_bytes())
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[position] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(content)
    try:
        crops = decoder.crops(path, thumbnail=True)
        assert crops.clips.shape[1:] in {(8, 64, 32, 3), (1, 64, 32, 3)}
    except MediaError as error:
        assert error.code != "decoder_failed" or "of memory" in error.detail, error.detail


HOSTILE = {
    "a playlist in an MP4's clothes": b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom#EXTM3U\nfile:///etc/passwd\n",
    "a matroska of nothing": b"\x1a\x45\xdf\xa3" + b"\xff" * 300,
    "a file of empty boxes": b"\x00\x00\x00\x08free" * 5000,
    "a box beyond the end": b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + b"\xff\xff\xff\xffmoov",
    "a transport stream of nothing": (b"G" + b"\x1f\xff\x10" + b"\xff" * 184) * 400,
    "a program stream of nothing": b"\x00\x00\x01\xba" + bytes(4000),
    "an AVI of nothing": b"RIFF\x20\x00\x00\x00AVI LIST" + bytes(40),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_containers_are_refused(tmp_path: Path, decoder: Decoder, name: str) -> None:
    path = tmp_path / "hostile.mp4"
    path.write_bytes(HOSTILE[name])
    for ask in (decoder.probe, decoder.crops):
        with pytest.raises((DamagedMedia, UnsupportedMedia)) as refused:
            ask(path)
        assert "root:" not in refused.value.detail
