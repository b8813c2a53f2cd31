"""How parent and decoder child talk: two lengths, a JSON header, raw bytes. Nothing that could carry code (no pickle).

A message is `>II` (header bytes, body bytes), the header, the body. Requests have no body. The parent checks both
lengths before it keeps a byte: the child reads hostile files, so its word is not trusted either.
"""

import os
import struct
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from service.decode.crops import Kind

PREFIX = struct.Struct(">II")
MAX_HEADER_BYTES = 64 * 1024
MAX_THUMBNAIL_BYTES = 1 << 20
MAX_DETAIL = 2000  # characters
MISSING = "missing"  # the code of a refusal that is no MediaError: the file is not there

Pixels = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Refused(_Answer):
    """The file is refused; `code` is one of `service.decode.errors.BY_CODE`, or `MISSING`."""

    code: str
    detail: str = Field(max_length=MAX_DETAIL)


class Probed(_Answer):
    """Answer to `probe`."""

    kind: Kind
    media_type: str = Field(pattern=r"^(image|video)/[a-z0-9-]{1,32}$")
    extension: str = Field(pattern=r"^\.[a-z0-9]{1,5}$")
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Cropped(Probed):
    """Answer to `crops`; the body is the clips array, then the thumbnail."""

    lengths: list[int]
    n_frames: int = Field(ge=1)
    start_s: Seconds
    end_s: Seconds
    thumbnail_bytes: int = Field(ge=0, le=MAX_THUMBNAIL_BYTES)
    box: list[Pixels] = Field(min_length=4, max_length=4)


def wire_path(path: Path) -> str:
    """A path as a JSON string: a name is bytes, not always UTF-8, so each byte becomes one character."""
    return os.fsencode(path.absolute()).decode("latin-1")


def path_of(text: str) -> Path:
    """The path that `wire_path` wrote."""
    return Path(os.fsdecode(text.encode("latin-1")))


def pack(header: dict[str, Any], body_bytes: int = 0) -> bytes:
    """Prefix and header of a message whose body of `body_bytes` bytes follows."""
    text = orjson.dumps(header)
    return PREFIX.pack(len(text), body_bytes) + text
