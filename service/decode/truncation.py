"""Whether a container is as long as its own headers say.

A demuxer takes a file that was cut short for a shorter film. The containers that state their length give the cut away;
MPEG streams and live recordings state none and are taken as they are.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from service.decode.errors import DamagedMedia
from service.decode.sniff import Format

# A hostile file may be nothing but 8-byte boxes; a fragmented one of an hour has a few thousand.
MOST_BOXES = 100_000
_SEGMENT = 0x18538067
_UNPADDED = 1  # a RIFF chunk of odd length may lack its padding byte at the very end


def check_whole(path: Path, found: Format) -> None:
    """Refuse a file that ends before its own headers say it does.

    Raises:
        DamagedMedia: names the bytes stated and the bytes there.
    """
    ends = _ENDS.get(found.opener)
    if ends is None:
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        for end in ends(file, size):
            if end > size:
                raise DamagedMedia(
                    f"the video is cut short: its headers state at least {end} bytes, the file has {size}: "
                    "send all of it"
                )


def _mov_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where each top-level box ends."""
    position = 0
    for _ in range(MOST_BOXES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8 or not head[4:8].isalnum():  # the end, or padding after the last box
            return
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file, whatever that is
            return
        position += length
        yield position
        if position >= size:
            return


def _avi_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where each RIFF chunk ends: one, or several in a file above 1 GiB."""
    position = 0
    for _ in range(MOST_BOXES):
        file.seek(position)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or length == 0:  # 0: the recorder stopped without filling it in
            return
        position += 8 + length
        yield position - _UNPADDED * (length % 2)
        position += length % 2
        if position >= size:
            return


def _matroska_ends(file: BinaryIO, size: int) -> Iterator[int]:
    """Where the segment ends, if it says so."""
    head = file.read(4096)
    _, after_id = _vint(head, 0, keep_marker=True)
    header_length, start = _vint(head, after_id)
    if header_length is None:
        return
    element, after_id = _vint(head, start + header_length, keep_marker=True)
    length, start = _vint(head, after_id)
    if element == _SEGMENT and length is not None:
        yield start + length


def _vint(head: bytes, position: int, *, keep_marker: bool = False) -> tuple[int | None, int]:
    """An EBML number of variable length (RFC 8794) and the position after it; None: unknown or not there."""
    first = head[position] if position < len(head) else 0
    if first == 0:
        return None, position
    length = 9 - first.bit_length()
    number = int.from_bytes(head[position : position + length], "big")
    if keep_marker:
        return number, position + length
    most = (1 << 7 * length) - 1
    number &= most
    return (None if number == most else number), position + length


_ENDS = {"mov": _mov_ends, "avi": _avi_ends, "matroska": _matroska_ends}
