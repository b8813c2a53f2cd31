"""The two places where the demo's cameras hang: view, light, background, lens and compression of each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from service.demo.render import Light

Floats = npt.NDArray[np.float64]
HEIGHT, WIDTH = 256, 128  # pixels of a crop
OVER = 2  # drawn this many times larger, then averaged down
PANORAMA = 1400  # width of a background, drawn pixels


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera. Angles in radians, `gain` per colour channel, blur and noise in pixels and levels."""

    name: str
    yaws: tuple[float, float]
    elevations: tuple[float, float]
    light: Light
    gain: tuple[float, float, float]
    gamma: float
    haze: float  # share of grey mixed in
    blur: float
    noise: float
    crf: int  # H.264 quality, higher is coarser
    wall: tuple[int, int, int]
    ground: tuple[int, int, int]
    indoors: bool


CAMERAS = (
    Camera(
        name="cam-a", yaws=(-0.15, 0.75), elevations=(0.08, 0.2), light=Light((-0.7, 0.7, 0.5), 0.75),
        gain=(1.04, 1.0, 0.95), gamma=0.95, haze=0.03, blur=0.35, noise=3.0, crf=23,
        wall=(142, 126, 112), ground=(136, 132, 122), indoors=False,
    ),
    Camera(
        name="cam-b", yaws=(1.3, 2.3), elevations=(0.2, 0.38), light=Light((0.5, 0.9, 0.3), 0.6),
        gain=(0.92, 0.96, 1.0), gamma=1.05, haze=0.06, blur=0.65, noise=5.0, crf=28,
        wall=(142, 140, 136), ground=(126, 124, 122), indoors=True,
    ),
)  # fmt: skip


def background(camera: Camera, rng: np.random.Generator) -> Image.Image:
    """A wide picture of the place, PANORAMA pixels across, to cut each clip's background from."""
    high = HEIGHT * OVER
    picture = Image.new("RGB", (PANORAMA, high), camera.wall)
    draw = ImageDraw.Draw(picture)
    horizon = int(high * (0.5 if camera.indoors else 0.58))
    draw.rectangle((0, horizon, PANORAMA, high), fill=camera.ground)
    if camera.indoors:
        _hall(draw, camera, horizon, rng)
    else:
        _street(draw, camera, horizon, rng)
    grain = rng.normal(0.0, 9.0, (high // 4, PANORAMA // 4, 1)).repeat(4, axis=0).repeat(4, axis=1)
    pixels = np.clip(np.asarray(picture, np.float64) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2.0))


def _street(draw: ImageDraw.ImageDraw, camera: Camera, horizon: int, rng: np.random.Generator) -> None:
    """Bricks with windows above, paving below."""
    for row, y in enumerate(range(0, horizon, 26)):
        for x in range(-40 + (row % 2) * 30, PANORAMA, 60):
            draw.rectangle((x, y, x + 57, y + 23), fill=_shaded(camera.wall, rng.uniform(0.85, 1.12)))
    for x in range(60, PANORAMA, 330):
        draw.rectangle((x, 20, x + 130, 200), fill=(64, 74, 86), outline=(206, 202, 192), width=9)
    _paving(draw, camera, horizon, rng, 34)


def _hall(draw: ImageDraw.ImageDraw, camera: Camera, horizon: int, rng: np.random.Generator) -> None:
    """Panels with posters above, polished tiles below."""
    for x in range(0, PANORAMA, 96):
        draw.rectangle((x, 0, x + 92, horizon), fill=_shaded(camera.wall, rng.uniform(0.88, 1.1)))
    for x in range(30, PANORAMA, 260):
        colour = tuple(int(c) for c in rng.integers(90, 180, 3))
        draw.rectangle((x, 50, x + 110, 190), fill=colour, outline=(230, 230, 228), width=5)
    _paving(draw, camera, horizon, rng, 58)


def _paving(draw: ImageDraw.ImageDraw, camera: Camera, top: int, rng: np.random.Generator, tile: int) -> None:
    y, step = top, tile // 3
    while y < HEIGHT * OVER:
        for x in range(-int(rng.integers(tile)), PANORAMA, tile + step):
            draw.rectangle(
                (x, y, x + tile + step - 3, y + step - 3), fill=_shaded(camera.ground, rng.uniform(0.88, 1.1))
            )
        y, step = y + step, step + 5


def _shaded(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, int(level * factor)) for level in colour)
    return red, green, blue


def through_lens(picture: Image.Image, camera: Camera, gain: Floats, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What the sensor keeps of a drawn picture: smaller, blurred, cast, noisy. RGB uint8 (HEIGHT, WIDTH, 3).

    `gain` (3,) multiplies the colour channels.
    """
    small = picture.reduce(OVER).filter(ImageFilter.GaussianBlur(camera.blur))
    levels = np.asarray(small, np.float32) / 255.0
    levels = levels * np.float32(1 - camera.haze) + np.float32(0.5 * camera.haze)
    levels = np.clip(levels, 0.0, 1.0) ** np.float32(camera.gamma) * gain.astype(np.float32)
    noise = rng.standard_normal(levels.shape, dtype=np.float32) * np.float32(camera.noise)
    return np.asarray(np.clip(levels * 255.0 + noise, 0, 255), np.uint8)
