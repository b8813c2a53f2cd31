"""Errors of media that cannot be used, each with its stable code and HTTP status.

MediaError                        status
├─ EmptyFile            media_empty          415  no bytes at all
├─ UnsupportedMedia     media_unsupported    415  neither picture nor video of an accepted type
├─ WrongKind            media_wrong_kind     415  a picture where a video is asked for, or the reverse
├─ DamagedMedia         media_damaged        422  accepted type, but cut short or not decodable
├─ BadBox               bad_box              422  the box does not lie inside the picture
├─ TooManyPixels        too_many_pixels      413
├─ TooManyFrames        too_many_frames      413
├─ TooManyStreams       too_many_streams     413
├─ TooLong              too_long             413  seconds, by counting
├─ DecodeTooSlow        decode_too_slow      422  not decoded within the time limit
├─ DecoderFailed        decoder_failed       422  the decoder child died or ran out of memory over the file
└─ DecoderUnavailable   decoder_unavailable  503  the pool is closed or cannot start children: not the file's fault
"""

from typing import ClassVar


class MediaError(Exception):
    """A file that cannot become crops. `detail` names the rule, the value found and the cure."""

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class EmptyFile(MediaError):
    """The file has no bytes."""

    code = "media_empty"
    status = 415


class UnsupportedMedia(MediaError):
    """The content is of no accepted type, whatever the name says."""

    code = "media_unsupported"
    status = 415


class WrongKind(MediaError):
    """A picture where a video was expected, or the reverse."""

    code = "media_wrong_kind"
    status = 415


class DamagedMedia(MediaError):
    """The type is accepted, but the content is cut short or cannot be decoded."""

    code = "media_damaged"
    status = 422


class BadBox(MediaError):
    """The box does not lie inside the upright picture, or has no area."""

    code = "bad_box"
    status = 422


class TooManyPixels(MediaError):
    """Picture or video frame larger than the limit; found before decoding."""

    code = "too_many_pixels"
    status = 413


class TooManyFrames(MediaError):
    """More frames than the limit, by counting."""

    code = "too_many_frames"
    status = 413


class TooManyStreams(MediaError):
    """More streams in one container than the limit."""

    code = "too_many_streams"
    status = 413


class TooLong(MediaError):
    """More seconds than the limit, by the frames' own times."""

    code = "too_long"
    status = 413


class DecodeTooSlow(MediaError):
    """Decoding took longer than the limit; the child was killed."""

    code = "decode_too_slow"
    status = 422


class DecoderFailed(MediaError):
    """The child died over the file, ran out of memory, or answered nonsense; it has been replaced."""

    code = "decoder_failed"
    status = 422


class DecoderUnavailable(MediaError):
    """No decoder child can be had now: the pool is closed, or children do not start."""

    code = "decoder_unavailable"
    status = 503


# The codes a child may answer with; whatever else it says is treated as a failure of the child.
BY_CODE: dict[str, type[MediaError]] = {
    error.code: error
    for error in (
        EmptyFile,
        UnsupportedMedia,
        WrongKind,
        DamagedMedia,
        BadBox,
        TooManyPixels,
        TooManyFrames,
        TooManyStreams,
        TooLong,
        DecoderFailed,
    )
}
