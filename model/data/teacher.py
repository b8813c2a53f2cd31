"""What a teacher network sees in packed pictures: computed once, kept beside the pack."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.data.kept import kept_array, to_write
from model.data.pack import PackedPictures
from model.encoder import Encoder

BATCH = 64


def teacher_vectors(
    encoder: Encoder, pictures: PackedPictures, folder: Path, *, step: Callable[[int], None] | None = None
) -> npt.NDArray[np.float16]:
    """The teacher's unit vectors, (N, D), row for row: the mean over each picture and its mirror image.

    The pack has to be of the size in the encoder's card. Kept in `folder`, whole or not at all.

    Raises:
        DamagedCache: the file from an earlier run is not whole.
    """
    target = folder / f"{pictures.digest}-{encoder.card.fingerprint}.npy"
    with to_write(target) as beside:
        if beside is not None:
            np.save(beside, _seen(encoder, pictures, step))
        elif step is not None:
            step(len(pictures.pixels))
    return kept_array(target, (len(pictures.pixels), encoder.card.dimension), np.float16)


def _seen(encoder: Encoder, pictures: PackedPictures, step: Callable[[int], None] | None) -> npt.NDArray[np.float16]:
    vectors = np.empty((len(pictures.pixels), encoder.card.dimension), np.float16)
    for first in range(0, len(vectors), BATCH):
        some = pictures.pixels[first : first + BATCH]
        mask = np.ones((len(some), 1), np.bool_)
        seen = [encoder.encode(view[:, None], mask) for view in (some, some[:, :, ::-1])]
        mean = seen[0] + seen[1]
        vectors[first : first + BATCH] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        if step is not None:
            step(len(some))
    return vectors
