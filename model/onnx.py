"""Any ReID network in ONNX behind the encoder interface."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from model.encoder import Clips, Embeddings, Encoder, EncoderCard, FrameMask
from model.onnx_feed import Feed, read_feed
from model.onnx_networks import ClipNetwork, ImageNetwork, unit
from model.onnx_session import open_session
from model.sampling import Sampling


class OnnxEncoder(Encoder):
    """A network that takes whole clips is given them; of one that takes pictures, a clip is the mean of its frames.

    On a CPU, several single-threaded runs side by side are faster than one run on several threads: these networks are
    too small to be split.
    """

    def __init__(self, path: Path, *, device: str = "cpu", threads: int = 1) -> None:
        """Open `path` and the description beside it.

        Raises:
            BadModelFile: file or description are missing, unusable or contradict each other.
            DeviceUnavailable: ONNX Runtime cannot use the device.
        """
        session = open_session(path, device=device)
        feed = read_feed(path.with_suffix(".toml"))
        kind = ClipNetwork if feed.layout == "NTCHW" else ImageNetwork
        self._network = kind(session, feed, path, threads=threads)
        self.card = _card(path, feed)

    def _encode(self, clips: Clips, mask: FrameMask) -> Embeddings:
        return unit(self._network.embed(clips, mask))


def _card(path: Path, feed: Feed) -> EncoderCard:
    sampling = Sampling(feed.frames, feed.height, feed.width, feed.max_clips)
    # A calibration says what scores mean and moves no vector, so it may change without a new space.
    digest = hashlib.sha256(repr((replace(feed, calibration=None), sampling)).encode())
    digest.update(path.read_bytes())
    return EncoderCard(
        name="onnx-" + re.sub(r"[^a-z0-9.-]", "-", path.stem.lower()),
        dimension=feed.dimension,
        sampling=sampling,
        fingerprint=digest.hexdigest()[:16],
        trained=feed.trained,
        licence=feed.licence,
        training_data=feed.training_data,
        calibration=feed.calibration,
    )
