"""Images: size checked before decoding, then decoded to the last byte, then cut and resized."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from PIL import BmpImagePlugin, Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError, WebPImagePlugin
from PIL.ExifTags import Base

from service.decode.crops import THUMBNAIL_PX, Box, DecodeLimits
from service.decode.errors import DamagedMedia, MediaError, TooManyPixels
from service.decode.picture import UPRIGHT, View
from service.decode.sniff import WEBP, Format

# Pillow looks formats up in a registry that these fill; naming them keeps it from loading all its other plugins.
PLUGINS = (BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)

# Pixels kept per pixel of the crop, each way, when a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size.
DRAFT_GAP = 2


class Picture:
    """An image file, opened and measured but not decoded, as a context manager.

    The first picture of an animation stands for all of it.

    Raises:
        TooManyPixels: larger than the limit, by its header.
        DamagedMedia: the header cannot be read.
    """

    def __init__(self, path: Path, found: Format, limits: DecodeLimits, box: Box | None = None) -> None:
        if found is WEBP:  # its reader takes memory for the whole canvas on opening
            self._check(*_webp_size(path), limits)
        with _damage():
            self._image = Image.open(path, formats=(found.opener,))
        self._check(*self._image.size, limits)
        self.view = View.of(*self._image.size, UPRIGHT.get(self._orientation()), box)

    def load(self, *, height: int, width: int, thumbnail: bool = False) -> Image.Image:
        """Decode the whole file and return the view's box of it, large enough for the sizes it is wanted for.

        A JPEG far larger than a crop of height x width (and a thumbnail) is decoded at a fraction of its size, which
        leaves out arithmetic but no byte of the file.

        Raises:
            DamagedMedia: cut short, or not decodable.
        """
        left, top, right, bottom = self.view.stored_box
        across, down = self.view.stored_size(width, height)
        scale = max(across * DRAFT_GAP / (right - left), down * DRAFT_GAP / (bottom - top))
        if thumbnail:
            scale = max(scale, THUMBNAIL_PX / max(right - left, bottom - top))
        with _damage():
            if scale < 1:
                self._image.draft(None, (int(self.view.width * scale) + 1, int(self.view.height * scale) + 1))
            self._image.load()
            return self.view.cut(self._image)

    def __enter__(self) -> "Picture":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._image.close()

    def _orientation(self) -> int:
        try:
            return int(self._image.getexif().get(Base.Orientation, 1))
        except Exception:  # a broken EXIF block says nothing about the pixels
            return 1

    @staticmethod
    def _check(width: int, height: int, limits: DecodeLimits) -> None:
        if width * height > limits.max_image_pixels:
            raise TooManyPixels(
                f"the picture has {width} x {height} = {width * height} pixels, the limit is "
                f"{limits.max_image_pixels}: send a smaller one"
            )


@contextmanager
def _damage() -> Iterator[None]:
    """Whatever an image reader raises over hostile bytes is DamagedMedia; memory errors pass."""
    try:
        yield
    except (MediaError, MemoryError, FileNotFoundError):
        raise
    except Exception as error:
        reason = "its header cannot be read" if isinstance(error, UnidentifiedImageError) else str(error)
        raise DamagedMedia(f"the image is damaged or cut short ({reason[:200]}): send a whole file") from error


def _webp_size(path: Path) -> tuple[int, int]:
    """Width and height of a WebP file by its first chunk, without a decoder (layout: RFC 9649)."""
    with path.open("rb") as file:
        head = file.read(30)
    chunk = head[12:16]
    if len(head) == 30 and chunk == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if len(head) == 30 and chunk == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if len(head) >= 25 and chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    raise DamagedMedia("the image is damaged or cut short (no WebP frame at its start): send a whole file")
