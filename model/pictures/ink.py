"""Colours, type and sizes that all pictures share. Pixels, height before width, but for PIL's own (width, height)."""

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
PilFont = ImageFont.FreeTypeFont | ImageFont.ImageFont

PAPER: Colour = (250, 250, 248)
INK: Colour = (28, 30, 34)
FAINT: Colour = (110, 114, 120)
RULE: Colour = (222, 224, 226)
RIGHT: Colour = (22, 138, 62)
WRONG: Colour = (200, 44, 40)
# Told apart by people who see few colours, too (Okabe and Ito, 2008).
SERIES: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (150, 130, 0),
)


def font(size: int) -> PilFont:
    """Pillow's own typeface, so that no machine draws another."""
    return ImageFont.load_default(size)


def text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    line: str,
    size: int = 13,
    colour: Colour = INK,
    anchor: str = "la",
) -> None:
    """One line; `anchor` as Pillow has it (la: left and top of the line)."""
    draw.text(at, line, colour, font(size), anchor=anchor)


def fitted(line: str, width: float, size: int = 13) -> str:
    """The line, or as much of its end as goes into `width` pixels: of a path, that is the file's name."""
    letters = font(size)
    if letters.getlength(line) <= width:
        return line
    while line and letters.getlength("…" + line) > width:
        line = line[1:]
    return "…" + line


def crop(picture: Image.Image, height: int, width: int) -> Image.Image:
    """As RGB of that size; proportions are kept, the rest is paper."""
    shown = picture.convert("RGB")
    scale = min(height / shown.height, width / shown.width)
    shown = shown.resize((max(1, round(shown.width * scale)), max(1, round(shown.height * scale))))
    whole = Image.new("RGB", (width, height), PAPER)
    whole.paste(shown, ((width - shown.width) // 2, (height - shown.height) // 2))
    return whole
