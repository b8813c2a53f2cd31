"""The parent reads what a child answered, and believes nothing that does not fit what was asked."""

from typing import TypeVar

import numpy as np
import orjson
from pydantic import ValidationError

from service.decode.crops import Crops, CropSampling, Probe
from service.decode.errors import BY_CODE
from service.decode.process import Message
from service.decode.wire import MISSING, Cropped, Probed, Refused

A = TypeVar("A", Probed, Cropped)


class BadAnswer(Exception):
    """The answer is not one to what was asked."""


def read_probe(message: Message) -> Probe:
    """The answer to `probe`.

    Raises:
        MediaError, FileNotFoundError: the child's refusal.
        BadAnswer: it is neither.
    """
    answer = _checked(message[0], Probed)
    return Probe(answer.kind, answer.media_type, answer.extension, answer.width, answer.height)


def read_crops(message: Message, sampling: CropSampling) -> Crops:
    """The answer to `crops` with this sampling; the array is a view of the received bytes, not a copy.

    Raises:
        MediaError, FileNotFoundError: the child's refusal.
        BadAnswer: it is neither, or sizes do not fit.
    """
    header, body = message
    answer = _checked(header, Cropped)
    frames = 1 if answer.kind == "image" else sampling.frames
    most_clips = 1 if answer.kind == "image" else sampling.max_clips
    shape = (len(answer.lengths), frames, sampling.height, sampling.width, 3)
    n_bytes = int(np.prod(shape))
    fits = (
        1 <= len(answer.lengths) <= most_clips
        and all(1 <= length <= frames for length in answer.lengths)
        and sum(answer.lengths) <= answer.n_frames
        and n_bytes + answer.thumbnail_bytes == len(body)
    )
    x, y, width, height = answer.box
    if not fits or x + width > answer.width or y + height > answer.height:
        raise BadAnswer("the decoder answered with crops of other sizes than it was asked for")
    return Crops(
        kind=answer.kind,
        media_type=answer.media_type,
        extension=answer.extension,
        clips=np.frombuffer(body[:n_bytes], np.uint8).reshape(shape),
        lengths=answer.lengths,
        n_frames=answer.n_frames,
        start_s=answer.start_s,
        end_s=answer.end_s,
        width=answer.width,
        height=answer.height,
        thumbnail=bytes(body[n_bytes:]) if answer.thumbnail_bytes else None,
        box=(x, y, width, height),
    )


def _checked(header: bytes, wanted: type[A]) -> A:
    try:
        values = orjson.loads(header)
        if isinstance(values, dict) and "code" in values:
            raise _refusal(Refused.model_validate(values))
        return wanted.model_validate(values)
    except (ValidationError, orjson.JSONDecodeError) as error:
        raise BadAnswer("the decoder answered nonsense") from error


def _refusal(refused: Refused) -> Exception:
    if refused.code == MISSING:
        return FileNotFoundError(refused.detail)
    if refused.code not in BY_CODE:
        return BadAnswer("the decoder answered nonsense")
    return BY_CODE[refused.code](refused.detail)
