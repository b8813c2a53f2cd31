"""Whole tracks: every frame is shown, and cut, or not, as each paper's test does it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.card import card_of
from model.data.pack import read_picture
from model.evaluation.errors import EvaluationError
from model.evaluation.features import count_pictures, embed_tracks
from model.evaluation.whole import show_whole
from model.sampling import frame_indices
from model.systems.config import system_config
from model.systems.encoder import drawn_system
from model.systems.network import SystemNetwork
from model.torch_encoder import TorchEncoder
from model.weights import UNTRAINED
from tests.evaluation.test_features import draw_tracks
from tests.systems.tiny import TINY
from tests.worker.colour_encoder import ColourEncoder

T = 4
# Of these the paper cuts a track into snippets of T, begins the last one again and averages features.
CUT: list[tuple[str, dict[str, Any]]] = [
    ("cosam", {}),
    ("baseline", {"pooling": "average"}),
    ("baseline", {"pooling": "attention"}),
    ("baseline", {"pooling": "rnn"}),
]
LEFT_WHOLE = ("gltr", "snippet")


def tiny(name: str, changes: dict[str, Any]) -> tuple[SystemNetwork, TorchEncoder]:
    network = drawn_system(system_config(name, TINY[name] | {"frames": T} | changes))
    card = card_of(network.config, network.dimension, UNTRAINED, b"")
    return network, TorchEncoder(card, network, device=torch.device("cpu"))


def frames_of(network: SystemNetwork, paths: tuple[Path, ...]) -> Tensor:
    pixels = np.stack([read_picture(path, 64, 32) for path in paths])
    return network.normalise(torch.from_numpy(pixels).permute(0, 3, 1, 2))


@pytest.mark.parametrize(("name", "changes"), [*CUT, *((name, {}) for name in LEFT_WHOLE)])
def test_a_whole_track_is_shown_as_its_paper_does(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """COSAM and the baselines: the mean of the snippets' features; of others all frames at once. None samples."""
    tracks = draw_tracks(tmp_path, 35, 8, 3, 1)
    network, encoder = tiny(name, changes)
    show_whole(encoder)
    assert count_pictures(tracks, encoder.card.sampling) == 35 + 8 + 3 + 1
    found = embed_tracks(encoder, tracks)
    # Places of the frames of the last snippet, where there are fewer than T left.
    ends = {35: [32, 33, 34, 32], 8: [4, 5, 6, 7], 3: [0, 1, 2, 0], 1: [0, 0, 0, 0]}
    for track, embedding in zip(tracks, found, strict=True):
        length = len(track.paths)
        frames = frames_of(network, track.paths)
        if name not in LEFT_WHOLE:
            last = ends[length]
            frames = frames[[*range(last[0]), *last]].view(-1, T, 3, 64, 32)
        with torch.inference_mode():
            features = network.system.features(frames if name not in LEFT_WHOLE else frames[None]).mean(dim=0)
        np.testing.assert_allclose(embedding, torch.nn.functional.normalize(features, dim=0).numpy(), atol=1e-4)


@pytest.mark.parametrize("pooling", ["average", "attention", "rnn"])
def test_sampled_clips_of_the_baselines_stay_whole(pooling: str, tmp_path: Path) -> None:
    """As the service cuts them: of equal length, and none begins again."""
    (track,) = draw_tracks(tmp_path, 7)
    network, encoder = tiny("baseline", {"pooling": pooling})
    (found,) = embed_tracks(encoder, [track])
    frames = frames_of(network, track.paths)
    places = frame_indices(7, encoder.card.sampling)
    assert [len(each) for each in places] == [4, 3]
    with torch.inference_mode():
        each = [network.system.features(frames[place][None])[0] for place in places]
        mean = sum(torch.nn.functional.normalize(one, dim=0) for one in each)
        assert isinstance(mean, Tensor)
    np.testing.assert_allclose(found, torch.nn.functional.normalize(mean, dim=0).numpy(), atol=1e-4)


def test_whole_tracks_are_for_published_systems() -> None:
    with pytest.raises(EvaluationError, match="colour is none"):
        show_whole(ColourEncoder())
