"""From a decoded picture to a crop: upright, RGB, cut to a box, resized. One function for images and video frames.

These choices are part of every embedding space (they belong to the sampling rule): the box is stretched to the crop's
size, aspect ratio not kept, with Pillow's antialiased bilinear filter; a transparent picture lies on mid-grey;
16-bit greys keep their upper byte.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.Image import Resampling, Transpose

from service.decode.crops import THUMBNAIL_PX, Box
from service.decode.errors import BadBox

Pixels = npt.NDArray[np.uint8]  # (H, W, 3), RGB

BACKGROUND = (128, 128, 128)
# Shrinking goes by whole factors down to twice the wanted size, then by the filter: faster, hardly different.
REDUCING_GAP = 2.0
JPEG_QUALITY = 85

# EXIF orientation -> what makes the picture upright.
UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_SIDEWAYS = {Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90}
_FLIPS_X = {Transpose.FLIP_LEFT_RIGHT, Transpose.ROTATE_180, Transpose.ROTATE_90, Transpose.TRANSVERSE}
_FLIPS_Y = {Transpose.FLIP_TOP_BOTTOM, Transpose.ROTATE_180, Transpose.ROTATE_270, Transpose.TRANSVERSE}


@dataclass(frozen=True, slots=True)
class View:
    """How a stored picture of width x height pixels is looked at: turned upright, and which box of the result.

    The stored picture is never turned as a whole: the box is cut out of it where it lies and the small crop is turned.
    """

    width: int  # of the stored picture
    height: int
    turn: Transpose | None
    box: Box  # upright pixels

    @classmethod
    def of(cls, width: int, height: int, turn: Transpose | None, box: Box | None) -> "View":
        """A view of a box, or of the whole picture.

        Raises:
            BadBox: the box has no area or does not lie inside the upright picture.
        """
        upright = (height, width) if turn in _SIDEWAYS else (width, height)
        if box is None:
            return cls(width, height, turn, (0, 0, *upright))
        x, y, box_width, box_height = box
        inside = x >= 0 and y >= 0 and x + box_width <= upright[0] and y + box_height <= upright[1]
        if box_width < 1 or box_height < 1 or not inside:
            raise BadBox(
                f"the box x,y,w,h = {x},{y},{box_width},{box_height} must have at least 1 x 1 pixels and lie inside "
                f"the upright picture of {upright[0]} x {upright[1]} pixels (width x height): correct it"
            )
        return cls(width, height, turn, box)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of the whole picture as a person sees it."""
        return self.stored_size(self.width, self.height)

    def stored_size(self, width: int, height: int) -> tuple[int, int]:
        """Sides of an upright size as they lie in the stored picture (and back: it is its own inverse)."""
        return (height, width) if self.turn in _SIDEWAYS else (width, height)

    @property
    def is_plain(self) -> bool:
        """Whether the box is the whole stored picture as it is."""
        return self.turn is None and self.box == (0, 0, self.width, self.height)

    @property
    def stored_box(self) -> tuple[int, int, int, int]:
        """The box as left, top, right, bottom of the stored picture."""
        x, y, width, height = self.box
        if self.turn in _SIDEWAYS:
            x, y, width, height = y, x, height, width
        left = self.width - x - width if self.turn in _FLIPS_X else x
        top = self.height - y - height if self.turn in _FLIPS_Y else y
        return left, top, left + width, top + height

    def cut(self, image: Image.Image) -> Image.Image:
        """The box of the stored picture, RGB or grey, not yet turned.

        `image` may be a smaller copy of the stored picture (a JPEG decoded at half size, say).
        """
        edges = self.stored_box
        if image.size != (self.width, self.height):
            across, down = image.width / self.width, image.height / self.height
            left, right = round(edges[0] * across), round(edges[2] * across)
            top, bottom = round(edges[1] * down), round(edges[3] * down)
            edges = left, top, max(right, left + 1), max(bottom, top + 1)
        return _flatten(image if edges == (0, 0, *image.size) else image.crop(edges))

    def crop(self, cut: Image.Image, height: int, width: int) -> Pixels:
        """What `cut` returned, stretched to height x width, upright: uint8 RGB (height, width, 3)."""
        size = self.stored_size(width, height)
        if cut.size != size:
            cut = cut.resize(size, Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
        return np.asarray(self._turned(cut).convert("RGB"))

    def thumbnail(self, cut: Image.Image) -> Image.Image:
        """What `cut` returned, upright, aspect ratio kept, longest side at most 256 pixels."""
        longest = max(cut.size)
        if longest > THUMBNAIL_PX:
            sides = [max(1, round(side * THUMBNAIL_PX / longest)) for side in cut.size]
            cut = cut.resize((sides[0], sides[1]), Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
        return self._turned(cut).convert("RGB")

    def _turned(self, image: Image.Image) -> Image.Image:
        return image if self.turn is None else image.transpose(self.turn)


def jpeg(image: Image.Image) -> bytes:
    """The picture as a JPEG file."""
    stream = BytesIO()
    image.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def _flatten(image: Image.Image) -> Image.Image:
    """To RGB or L, whatever the mode: palettes looked up, transparency laid on the background."""
    if image.mode in {"RGB", "L"}:
        if "transparency" not in image.info:
            return image
    elif image.mode.startswith("I"):  # 16-bit grey, as I;16 or in 32-bit integers
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image if image.mode == "RGBA" else image.convert("RGBA")
    flat = Image.new("RGB", image.size, BACKGROUND)
    flat.paste(image, mask=image.getchannel("A"))
    return flat
