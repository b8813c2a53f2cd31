"""Files to embeddings on this machine, without a service: decode, encode, one row a file."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.errors import DataError
from model.data.manifest import read_rows
from model.encoder import Embeddings, Encoder
from service.decode.crops import Crops, CropSampling
from service.decode.errors import MediaError
from service.decode.pool import DecoderPool
from service.local.errors import BadInput
from service.worker.encoding import Clip, clips_of, encode_clips, unit_mean

WINDOW_FILES = 64  # decoded ahead of the encoder; bounds the memory of crops that wait


@dataclass(frozen=True, slots=True)
class Source:
    """One input, and the row it becomes, for messages: the line of the manifest or the place on the command line."""

    path: Path
    row: str


async def embed_files(
    sources: Sequence[Source], encoder: Encoder, pool: DecoderPool, *, batch_items: int, step: Callable[[], None]
) -> Embeddings:
    """float32 (N, D) unit vectors, row i for source i; a video's is the unit mean over its clips, as in the gallery.

    The next files are decoded while the last ones are encoded. `step` is called once for each finished file.

    Raises:
        BadInput: a file cannot be decoded; names its row.
    """
    sampling = encoder.card.sampling
    crop_sampling = CropSampling(sampling.frames, sampling.height, sampling.width, sampling.max_clips, sampling.rule)
    rows = np.empty((len(sources), encoder.card.dimension), np.float32)
    windows = [sources[first : first + WINDOW_FILES] for first in range(0, len(sources), WINDOW_FILES)]
    decoding = asyncio.create_task(_decode(windows[0], pool, crop_sampling)) if windows else None
    written = 0
    try:
        for following in [*windows[1:], None]:
            if decoding is None:
                break
            crops = await decoding
            decoding = asyncio.create_task(_decode(following, pool, crop_sampling)) if following else None
            rows[written : written + len(crops)] = await asyncio.to_thread(_encode, crops, encoder, batch_items)
            written += len(crops)
            for _ in crops:
                step()
    finally:
        if decoding is not None:
            decoding.cancel()
            await asyncio.gather(decoding, return_exceptions=True)
    return rows


async def _decode(sources: Sequence[Source], pool: DecoderPool, sampling: CropSampling) -> list[Crops]:
    async def one(source: Source) -> Crops:
        try:
            return await pool.crops(source.path, sampling)
        except (MediaError, OSError) as error:
            raise BadInput(f"{source.row} ({source.path}) cannot be embedded: {error}") from error

    done = await asyncio.gather(*(one(source) for source in sources), return_exceptions=True)
    crops: list[Crops] = []
    for each in done:
        if isinstance(each, BaseException):
            raise each  # the first in the order of the rows, not of time
        crops.append(each)
    return crops


def _encode(crops: Sequence[Crops], encoder: Encoder, batch_items: int) -> Embeddings:
    """One row for each of the crops; clips of equal T share their batches, across files."""
    encode = encode_clips(encoder)
    clips = [(owner, clip) for owner, crop in enumerate(crops) for clip in clips_of(crop.clips, crop.lengths)]
    vectors: list[list[Embeddings]] = [[] for _ in crops]
    for length in sorted({clip.frames.shape[0] for _, clip in clips}):
        alike = [(owner, clip) for owner, clip in clips if clip.frames.shape[0] == length]
        for first in range(0, len(alike), batch_items):
            batch: list[tuple[int, Clip]] = alike[first : first + batch_items]
            for (owner, _), vector in zip(batch, encode([clip for _, clip in batch]), strict=True):
                vectors[owner].append(vector)
    return np.stack([unit_mean(np.stack(of_one)) for of_one in vectors])


def read_manifest(manifest: Path, root: Path) -> list[Source]:
    """The inputs of a CSV as `model.data.manifest` reads it; every row is one.

    Raises:
        BadInput: the file or a column is missing, a row has no path, or its file is not there.
    """
    try:
        rows = read_rows(manifest, root)
    except DataError as error:
        raise BadInput(str(error)) from error
    for row in rows:
        if not row.path.is_file():
            raise BadInput(
                f"{row.place} names {row.path}, which is not there: give the folder its paths start from with --root"
            )
    return [Source(row.path, row.place) for row in rows]


def write_whole(array: Embeddings, out: Path) -> None:
    """Write an array as .npy, whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=out.parent, prefix=f".{out.name}.", delete=False) as file:
        beside = Path(file.name)
        try:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
            beside.replace(out)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
