"""What the work costs with no service around it: decode, encode and search in one loop of this process."""

import io
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
from PIL import Image

from index.entries import Filter, LogEntry, track_digest
from index.vectors.gallery import Gallery
from model.encoder import Clips, Encoder
from service.decode.crops import CropSampling, DecodeLimits
from service.decode.sniff import HEAD_BYTES, sniff
from service.decode.tracklet import crop_video
from service.settings import Settings
from service.worker.chosen_encoder import chosen_encoder

CHECKSUM_BITS = 2**64


@dataclass(frozen=True, slots=True)
class LoopCost:
    """One bare loop: items a second, and processor seconds of all cores an item."""

    per_second: float
    cpu_s: float


class Bare:
    """The same encoder and the same size of gallery as the service's, called directly."""

    def __init__(self, settings: Settings, tracks: int) -> None:
        self.encoder: Encoder = chosen_encoder(settings)
        self._gallery = filled_gallery(self.encoder.card.dimension, tracks)
        self.encoder.warm_up(settings.batch_items)

    def decode(self, picture: bytes) -> Clips:
        """One picture as a clip of one frame, (1, 1, H, W, 3)."""
        sampling = self.encoder.card.sampling
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        pixels = np.asarray(image.resize((sampling.width, sampling.height), Image.Resampling.BILINEAR))
        return pixels[None, None]

    def query_seconds(self, pictures: Sequence[bytes], *, k: int) -> float:
        """Median seconds of decode + encode + search, one picture at a time."""
        seconds = []
        for picture in pictures:
            begun = time.perf_counter()
            clips = self.decode(picture)
            vectors = self.encoder.encode(clips, np.ones(clips.shape[:2], np.bool_))
            self._gallery.search(vectors, k, [Filter()], [None])
            seconds.append(time.perf_counter() - begun)
        return statistics.median(seconds)

    def encoder_loop(self, batch_items: int, *, frames: int, seconds: float) -> LoopCost:
        """Full batches of clips through the encoder alone, for about `seconds`."""
        sampling = self.encoder.card.sampling
        rng = np.random.default_rng(0)
        clips = rng.integers(0, 256, (batch_items, frames, sampling.height, sampling.width, 3), dtype=np.uint8)
        mask = np.ones((batch_items, frames), np.bool_)
        process = psutil.Process()
        cpu, begun, done = _cpu_s(process), time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            self.encoder.encode(clips, mask)
            done += batch_items
        return LoopCost(done / (time.perf_counter() - begun), (_cpu_s(process) - cpu) / done)

    def ingest_seconds(self, clips: Sequence[Path], limits: DecodeLimits) -> float:
        """Seconds of decoding and encoding tracklets one after the other, all clips of a track in one batch."""
        sampling = self.encoder.card.sampling
        wanted = CropSampling(sampling.frames, sampling.height, sampling.width, sampling.max_clips, sampling.rule)
        begun = time.perf_counter()
        for path in clips:
            track = crop_video(path, sniff(path.read_bytes()[:HEAD_BYTES]), limits, wanted, None, thumbnail=True)
            mask = np.arange(sampling.frames)[None] < np.array(track.lengths)[:, None]
            self.encoder.encode(track.clips, mask)
        return time.perf_counter() - begun


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def random_units(rng: np.random.Generator, rows: int, dimension: int) -> npt.NDArray[np.float16]:
    """Unit vectors, float16 (rows, D), evenly spread over the sphere."""
    vectors = rng.standard_normal((rows, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    halves: npt.NDArray[np.float16] = vectors.astype(np.float16)
    return halves


def filled_gallery(dimension: int, tracks: int) -> Gallery:
    """A gallery of `tracks` random tracks, made without a store."""
    gallery = Gallery(dimension)
    entries, checksum = [], 0
    for seq, vector in enumerate(random_units(np.random.default_rng(7), tracks, dimension), start=1):
        track_id, content = f"{seq:032x}-0000", vector.tobytes()
        checksum = (checksum + track_digest(track_id, content)) % CHECKSUM_BITS
        entries.append(LogEntry(seq, "add", track_id, seq, checksum, item_id=track_id[:32], vector=content))
    gallery.apply(entries)
    return gallery
