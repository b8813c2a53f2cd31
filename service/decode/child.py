"""A decoder child: reads requests from standard input, answers on standard output, ends with its parent.

Started by `service.decode.process` only. Everything hostile is opened here and nowhere else.
"""

import os
import stat
import sys
import traceback
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from PIL import Image

from service.decode import jail
from service.decode.crops import Box, CropSampling, DecodeLimits
from service.decode.errors import DecoderFailed, MediaError, UnsupportedMedia, WrongKind
from service.decode.images import Picture
from service.decode.picture import jpeg
from service.decode.sniff import HEAD_BYTES, Format, sniff
from service.decode.tracklet import crop_video, upright_view
from service.decode.videos import VideoFile
from service.decode.wire import MAX_DETAIL, MISSING, PREFIX, pack, path_of

Part = bytes | memoryview
Answer = tuple[dict[str, Any], list[Part]]  # header, parts of the body

PROBED_FRAMES = 8


def main() -> None:
    """Take the limits from the command line, lock the door behind us, serve until standard input ends."""
    start = orjson.loads(sys.argv[1])
    jail.leave_signals_to_parent()
    jail.die_with(start["parent"])
    limits = DecodeLimits(**start["limits"])
    output = jail.claim_output()
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked instead, with our own error
    jail.limit(limits.memory_bytes)
    _send(output, {"ready": True}, [])
    serve(sys.stdin.buffer, output, limits)


def serve(requests: BinaryIO, output: int, limits: DecodeLimits) -> None:
    """Answer one request after the other until the parent closes the pipe."""
    while len(prefix := requests.read(PREFIX.size)) == PREFIX.size:
        header_bytes, _ = PREFIX.unpack(prefix)
        header, body = answer(orjson.loads(requests.read(header_bytes)), limits)
        _send(output, header, body)


def answer(request: dict[str, Any], limits: DecodeLimits) -> Answer:
    """The answer to one request, a refusal if it cannot be met; never raises for what a file holds."""
    try:
        return _meet(request, limits)
    except MediaError as error:
        return _refusal(error.code, error.detail)
    except FileNotFoundError as error:
        return _refusal(MISSING, str(error.filename))
    except MemoryError:
        return _refusal(
            DecoderFailed.code,
            f"decoding the file takes more than the decoder's {limits.memory_bytes} bytes of memory: "
            "it is damaged or too demanding, send a smaller one",
        )
    except Exception as error:  # a case nobody thought of: the log shows it, the client learns no paths of ours
        traceback.print_exc()
        return _refusal(DecoderFailed.code, f"the decoder failed over the file ({type(error).__name__}): send another")


def _meet(request: dict[str, Any], limits: DecodeLimits) -> Answer:
    path = path_of(request["path"])
    found = _identify(path, request["expect"])
    if request["do"] == "probe":
        return (_probe_image if found.kind == "image" else _probe_video)(path, found, limits)
    sampling = CropSampling(**request["sampling"])
    box: Box | None = request["box"] and tuple(request["box"])
    cropped = _crop_image if found.kind == "image" else _crop_video
    return cropped(path, found, limits, sampling, box, thumbnail=request["thumbnail"])


def _identify(path: Path, expected: str | None) -> Format:
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnsupportedMedia("not a regular file: send a file")
    with path.open("rb", buffering=0) as file:
        found = sniff(file.read(HEAD_BYTES))
    if expected is not None and found.kind != expected:
        raise WrongKind(f"{expected} expected, the content is {found.media_type}: use the route for {found.kind}s")
    return found


def _probe_image(path: Path, found: Format, limits: DecodeLimits) -> Answer:
    with Picture(path, found, limits) as picture:
        picture.load(height=1, width=1)
        return _described(found, picture.view.upright), []


def _probe_video(path: Path, found: Format, limits: DecodeLimits) -> Answer:
    with VideoFile(path, found, limits) as video:
        first, *_ = islice(video.frames(), PROBED_FRAMES)
        return _described(found, upright_view(first, None).upright), []


def _crop_image(
    path: Path, found: Format, limits: DecodeLimits, sampling: CropSampling, box: Box | None, *, thumbnail: bool
) -> Answer:
    size = sampling.height, sampling.width
    with Picture(path, found, limits, box) as picture:
        view = picture.view
        cut = picture.load(height=sampling.height, width=sampling.width, thumbnail=thumbnail)
        crop = np.ascontiguousarray(view.crop(cut, *size)).reshape(-1).data
        small = jpeg(view.thumbnail(cut)) if thumbnail else b""
    cropped = {"lengths": [1], "n_frames": 1, "start_s": 0.0, "end_s": 0.0, "box": view.box}
    return _described(found, view.upright) | cropped | {"thumbnail_bytes": len(small)}, [crop, small]


def _crop_video(
    path: Path, found: Format, limits: DecodeLimits, sampling: CropSampling, box: Box | None, *, thumbnail: bool
) -> Answer:
    track = crop_video(path, found, limits, sampling, box, thumbnail=thumbnail)
    cropped = {
        "lengths": track.lengths,
        "n_frames": track.n_frames,
        "start_s": 0.0,
        "end_s": track.seconds,
        "box": track.view.box,
        "thumbnail_bytes": len(track.thumbnail),
    }
    return _described(found, track.view.upright) | cropped, [track.clips.reshape(-1).data, track.thumbnail]


def _described(found: Format, upright: tuple[int, int]) -> dict[str, Any]:
    return {
        "kind": found.kind,
        "media_type": found.media_type,
        "extension": found.extension,
        "width": upright[0],
        "height": upright[1],
    }


def _refusal(code: str, detail: str) -> Answer:
    return {"code": code, "detail": detail[:MAX_DETAIL]}, []


def _send(output: int, header: dict[str, Any], body: list[Part]) -> None:
    n_bytes = sum(len(part) for part in body)
    parts = [memoryview(part) for part in (pack(header, n_bytes), *body) if len(part)]
    while parts:
        n_written = os.writev(output, parts)
        while parts and n_written >= len(parts[0]):
            n_written -= len(parts.pop(0))
        if n_written:
            parts[0] = parts[0][n_written:]


if __name__ == "__main__":
    main()
