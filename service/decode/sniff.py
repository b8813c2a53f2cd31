"""What a file is, by its first bytes alone: names and declared types are the client's word and count for nothing.

Only what stands here is ever opened, and with the one decoder or demuxer named here: playlists, text formats and
everything else that can point to other files or hosts never reach one.
"""

from dataclasses import dataclass

import filetype

from service.decode.crops import Kind
from service.decode.errors import EmptyFile, UnsupportedMedia

HEAD_BYTES = 4096

ACCEPTED = "images as JPEG, PNG, WebP or BMP, and video as MP4/MOV, Matroska/WebM, AVI, MPEG-TS or MPEG-PS"

# Top-level boxes an ISO or QuickTime file may begin with.
_MOV_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}
_TS_PACKETS = ((0, 188), (4, 192))  # offset of the sync byte, packet size: plain and with a time code before


@dataclass(frozen=True, slots=True)
class Format:
    """An accepted type. `opener` is Pillow's format for an image, FFmpeg's demuxer for a video."""

    kind: Kind
    media_type: str
    extension: str
    opener: str


JPEG = Format("image", "image/jpeg", ".jpg", "JPEG")
PNG = Format("image", "image/png", ".png", "PNG")
WEBP = Format("image", "image/webp", ".webp", "WEBP")
BMP = Format("image", "image/bmp", ".bmp", "BMP")
MP4 = Format("video", "video/mp4", ".mp4", "mov")
MOV = Format("video", "video/quicktime", ".mov", "mov")
MATROSKA = Format("video", "video/x-matroska", ".mkv", "matroska")
WEBM = Format("video", "video/webm", ".webm", "matroska")
AVI = Format("video", "video/x-msvideo", ".avi", "avi")
MPEG_TS = Format("video", "video/mp2t", ".ts", "mpegts")
MPEG_PS = Format("video", "video/mpeg", ".mpg", "mpeg")
_MEDIA_TYPES = {each.media_type for each in (JPEG, PNG, WEBP, BMP, MP4, MOV, MATROSKA, WEBM, AVI, MPEG_TS, MPEG_PS)}


def sniff(head: bytes) -> Format:
    """The accepted format that a file with these first bytes (`HEAD_BYTES` of them) has.

    Raises:
        EmptyFile: there are no bytes.
        UnsupportedMedia: of no accepted type; names what was found.
    """
    if not head:
        raise EmptyFile(f"the file is empty; send {ACCEPTED}")
    found = _image(head) or _video(head)
    if found is None:
        raise UnsupportedMedia(f"accepted are {ACCEPTED}; the content is {_describe(head)}")
    return found


def _image(head: bytes) -> Format | None:
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return BMP
    return None


def _video(head: bytes) -> Format | None:
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return AVI
    if head.startswith(b"\x00\x00\x01\xba"):
        return MPEG_PS
    if _is_transport_stream(head):
        return MPEG_TS
    return _iso(head)


def _iso(head: bytes) -> Format | None:
    if head[4:8] not in _MOV_BOXES or _is_still(head):
        return None
    return MP4 if head[4:8] in {b"ftyp", b"styp"} and head[8:12] != b"qt  " else MOV


def _is_still(head: bytes) -> bool:
    """HEIC and AVIF pictures wear the same box as MP4."""
    guess = filetype.guess(head)
    return guess is not None and not guess.mime.startswith(("video/", "audio/"))


def _is_transport_stream(head: bytes) -> bool:
    for first, size in _TS_PACKETS:
        syncs = head[first::size]
        if len(syncs) >= 3 and set(syncs) == {0x47}:
            return True
    return False


def _describe(head: bytes) -> str:
    guess = filetype.guess(head)
    if guess is not None:
        begun = str(guess.mime)
        return f"none of these, though it begins like {begun}" if begun in _MEDIA_TYPES else begun
    try:
        text = head.decode().lstrip("\ufeff \t\r\n")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character cut in two at the end of the head is still text
            return "of an unknown type"
        text = head[: error.start].decode()
    if not text.isprintable() and any(ord(sign) < 32 and sign not in "\t\r\n\f\x1b" for sign in text):
        return "of an unknown type"
    return "HTML, XML or SVG text" if text.startswith("<") else "text, perhaps a playlist"
