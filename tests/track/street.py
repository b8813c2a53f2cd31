"""Drawn footage: people of the demo who walk across a whole scene."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from service.demo.film import Walker, walker
from service.demo.people import cast_people
from service.demo.render import Frame, View, paint
from service.demo.scene import CAMERAS

HEIGHT, WIDTH, FPS = 288, 512, 10
SECONDS_ACROSS = 5.0
Pixels = npt.NDArray[np.uint8]  # (HEIGHT, WIDTH, 3)


def street(n_people: int, seconds: float) -> Iterator[Pixels]:
    """One after the other sets out from the left, two seconds apart; 10 frames a second."""
    cast = [walker(person) for person in cast_people(n_people, seed=1)]
    for number in range(round(seconds * FPS)):
        picture = Image.new("RGB", (WIDTH, HEIGHT), (150, 150, 146))
        draw = ImageDraw.Draw(picture)
        draw.rectangle((0, 150, WIDTH, HEIGHT), fill=(118, 116, 110))
        for place, each in enumerate(cast):
            _draw(draw, each, number / FPS - 2.0 * place)
        yield np.asarray(picture)


def _draw(draw: ImageDraw.ImageDraw, who: Walker, seconds: float) -> None:
    if not 0 <= seconds <= SECONDS_ACROSS:
        return
    vertices = who.seen(seconds, View(yaw=np.pi / 2, elevation=0.1))
    x = -40 + (WIDTH + 80) * seconds / SECONDS_ACROSS
    paint(draw, who.mesh, vertices, CAMERAS[0].light, Frame(110.0, 1.0, x, 260.0))
