"""A real encoder of the interface that needs no weights: what it finds similar can be told by eye."""

import threading

import numpy as np

from model.encoder import Clips, Embeddings, Encoder, EncoderCard, FrameMask
from model.errors import DeviceFailed
from model.sampling import Sampling

SAMPLING = Sampling(frames=4, height=32, width=16, max_clips=4)
DIMENSION = 8


class ColourEncoder(Encoder):
    """The embedding is the mean colour of the real frames. It can be held up, or told to fail."""

    def __init__(self, fingerprint: str = "00000000c01012ed") -> None:
        self.card = EncoderCard(
            name="colour",
            dimension=DIMENSION,
            sampling=SAMPLING,
            fingerprint=fingerprint,
            trained=False,
            licence="Apache-2.0",
            training_data="none",
        )
        self.failures_left = 0
        self.device_fails = False
        self.gate = threading.Event()  # shut: an encode waits until it is opened
        self.gate.set()
        self.entered = threading.Event()
        self.batches: list[tuple[int, int]] = []  # (B, T) of each forward pass

    def shut(self) -> None:
        """Hold up the next encode; `entered` tells when it is there. (The warm-up has entered already.)"""
        self.entered.clear()
        self.gate.clear()

    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        self.entered.set()
        self.gate.wait()
        self.batches.append(clips.shape[:2])
        if self.device_fails:
            raise DeviceFailed("the device fell off the bus")
        if self.failures_left:
            self.failures_left -= 1
            raise RuntimeError("an encoder's bad day")
        frames = clips.mean(axis=(2, 3), dtype=np.float32) / 255  # B T 3
        weights = (mask / mask.sum(axis=1, keepdims=True)).astype(np.float32)  # B T
        colours = np.einsum("btc,bt->bc", frames, weights)  # B 3
        embeddings = np.zeros((len(clips), DIMENSION), np.float32)  # B D
        embeddings[:, :3] = colours - 0.5
        embeddings[:, 3] = 0.1  # grey has a direction, too
        unit: Embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        return unit
