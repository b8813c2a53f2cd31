"""One person before one camera: the frames of a clip, as a tracker would have cropped them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from service.demo.body import head
from service.demo.carried import carried
from service.demo.clothes import dressed
from service.demo.mesh import Floats, Mesh, joined
from service.demo.people import Person
from service.demo.render import Frame, View, paint, seen
from service.demo.scene import HEIGHT, OVER, PANORAMA, WIDTH, Camera, through_lens
from service.demo.skeleton import walking

FPS = 25
PASSING = 30  # frames that a passer-by takes to step in and out again
Pixels = npt.NDArray[np.uint8]  # (HEIGHT, WIDTH, 3) RGB


@dataclass(frozen=True, slots=True)
class Walker:
    """A person and the mesh that draws them; built once, posed for every frame."""

    person: Person
    mesh: Mesh

    def seen(self, seconds: float, view: View) -> Floats:
        """Vertices (V, 3) as the camera has them at that moment of the walk."""
        pose = walking(self.person.build, self.person.gait, seconds)
        return seen(self.mesh.posed(pose), view)


def walker(person: Person) -> Walker:
    """The person with body, clothes and bag."""
    return Walker(person, joined([*dressed(person), *head(person.build, person.outfit), *carried(person)]))


@dataclass(frozen=True, slots=True)
class Take:
    """What is particular to one pass before one camera; everything a frame needs but its number."""

    walker: Walker
    camera: Camera
    backdrop: Image.Image
    view: View
    gain: Floats  # (3,)
    stretch: float  # across; crops of narrow boxes are widened to the encoder's 1:2
    start_px: float
    speed_px: float  # of the background, drawn pixels a frame
    post_px: float | None  # where a post in front stands at frame 0, drawn pixels
    passer: Walker | None  # somebody who crosses in front
    passer_from: int  # frame at which they come in
    jitter_seed: tuple[int, ...]


def take(walkers: list[Walker], number: int, camera: Camera, backdrop: Image.Image, seed: tuple[int, ...]) -> Take:
    """Choose view, light, position and occlusion of the pass of `walkers[number]`."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform()
    passer = walkers[(number + 1 + int(rng.integers(max(1, len(walkers) - 1)))) % len(walkers)]
    return Take(
        walker=walkers[number],
        camera=camera,
        backdrop=backdrop,
        view=View(rng.uniform(*camera.yaws), rng.uniform(*camera.elevations)),
        gain=np.array(camera.gain) * rng.uniform(0.93, 1.07) * rng.uniform(0.97, 1.03, 3),
        stretch=rng.uniform(1.1, 1.22),
        start_px=rng.uniform(0, PANORAMA - WIDTH * OVER - 200),
        speed_px=rng.uniform(1.0, 4.0),
        post_px=rng.uniform(0.3, 1.1) * WIDTH * OVER if chance < 0.2 else None,
        passer=passer if 0.2 <= chance < 0.42 and passer is not walkers[number] else None,
        passer_from=int(rng.integers(0, 12)),
        jitter_seed=(*seed, 1),
    )


def frames(shot: Take, numbers: range) -> Iterator[Pixels]:
    """The frames with these numbers (25 a second), each RGB uint8 (HEIGHT, WIDTH, 3)."""
    for number in numbers:
        # Each frame has its own stream of chance, so that any frame can be drawn alone.
        rng = np.random.default_rng((*shot.jitter_seed, number))
        yield through_lens(_drawn(shot, number, rng), shot.camera, shot.gain, rng)


def _drawn(shot: Take, number: int, rng: np.random.Generator) -> Image.Image:
    wide, high = WIDTH * OVER, HEIGHT * OVER
    left = (shot.start_px + shot.speed_px * number) % (PANORAMA - wide)
    picture = shot.backdrop.crop((int(left), 0, int(left) + wide, high))
    vertices = shot.walker.seen(number / FPS, shot.view)
    frame = _box(shot, vertices, number, rng)
    _shadow(picture, frame, shot)
    draw = ImageDraw.Draw(picture)
    paint(draw, shot.walker.mesh, vertices, shot.camera.light, frame)
    if shot.passer is not None:
        _passer_by(draw, shot, shot.passer, number, frame)
    if shot.post_px is not None:
        _post(draw, shot.post_px - shot.speed_px * 2.2 * number, shot.camera)
    return picture


def _box(shot: Take, vertices: Floats, number: int, rng: np.random.Generator) -> Frame:
    """Fit the walker into the crop as a tracker's box does: nearly, and a little differently each frame."""
    wide, high = WIDTH * OVER, HEIGHT * OVER
    bottom, top = vertices[:, 1].min(), vertices[:, 1].max()
    drift = np.sin(number / 9.0 + shot.view.yaw * 5)
    scale = high * (0.91 + 0.02 * drift + rng.normal(0, 0.004)) / (top - bottom)
    middle = np.median(vertices[:, 0])
    x = wide * (0.5 + 0.025 * np.cos(number / 7.0) + rng.normal(0, 0.006)) - scale * shot.stretch * middle
    y = high * (0.955 + 0.01 * drift + rng.normal(0, 0.004)) + scale * bottom
    return Frame(scale, shot.stretch, x, y)


def _shadow(picture: Image.Image, frame: Frame, shot: Take) -> None:
    wide, high = 0.55 * frame.scale, 0.13 * frame.scale
    towards = -np.sign(shot.camera.light.direction[0]) * 0.25 * frame.scale
    mask = Image.new("L", (WIDTH * OVER // 4, HEIGHT * OVER // 4))
    x, y = frame.x + towards, frame.y - 0.02 * frame.scale
    ends = [(x - wide) / 4, (y - high) / 4, (x + wide) / 4, (y + high) / 4]
    ImageDraw.Draw(mask).ellipse(ends, fill=120)
    mask = mask.filter(ImageFilter.GaussianBlur(3)).resize(picture.size)
    picture.paste((20, 20, 24), (0, 0), mask)


def _passer_by(draw: ImageDraw.ImageDraw, shot: Take, passer: Walker, number: int, frame: Frame) -> None:
    """Another walker, nearer and lower in the picture, who steps in from the left edge and out again."""
    wide = WIDTH * OVER
    reach = np.sin(np.pi * (number - shot.passer_from) / PASSING)
    if reach <= 0:
        return
    offset = wide * (0.22 * reach - 0.12)
    view = View(np.pi / 2, shot.view.elevation)
    near = Frame(frame.scale * 1.12, frame.stretch, offset, HEIGHT * OVER * 1.4)
    paint(draw, passer.mesh, passer.seen(number / FPS, view), shot.camera.light, near)


def _post(draw: ImageDraw.ImageDraw, x: float, camera: Camera) -> None:
    for step, level in enumerate((70, 110, 140, 120, 84)):
        left = x + step * 7
        draw.rectangle((left, 0, left + 7, HEIGHT * OVER), fill=(level, level, level + 6))
