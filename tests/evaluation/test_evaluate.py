"""Several probes at once: the same as one after the other, and no track is embedded twice."""

from pathlib import Path

import numpy as np

from model.evaluation.evaluate import compare, pictures_to_read
from model.evaluation.protocols import Probe
from tests.evaluation.test_features import draw_tracks
from tests.worker.colour_encoder import SAMPLING, ColourEncoder


def test_probes_that_share_tracks_share_their_embeddings(tmp_path: Path) -> None:
    tracks = draw_tracks(tmp_path, 1, 7, 4, 1, 5)
    probes = [Probe(tracks[:2], tracks[1:]), Probe(tracks[3:], tracks[:4])]
    counted: list[int] = []
    together = compare(ColourEncoder(), probes, step=counted.append)
    assert sum(counted) == pictures_to_read(probes, SAMPLING) == 18
    for probe, one in zip(probes, together, strict=True):
        (alone,) = compare(ColourEncoder(), [probe])
        assert one.probe is probe
        np.testing.assert_allclose(one.queries, alone.queries, atol=1e-6)
        np.testing.assert_allclose(one.gallery, alone.gallery, atol=1e-6)
