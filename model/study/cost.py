"""What the networks of a study cost: parameters, and the time for a clip, all of them measured side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from model.build import build_encoder
from model.data.pack import read_picture
from model.encoder import Clips, Encoder
from model.network import ReidNetwork
from model.sampling import Sampling
from model.study.check import ReadyStudy, system_shape
from model.study.config import Variant, runs_of, trained_by
from model.study.restated import restated
from model.systems.encoder import drawn_system
from model.training.origin import AnyRun
from model.training.run import WEIGHTS
from model.training.start import network_config
from model.training.system_config import SystemRun
from model.vills.network import Vills
from model.vills.seeding import drawn_from
from model.weights import UNTRAINED, load_weights, save_weights

CLIPS = 9  # timed, each of another track; the median counts
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of batch norm: not learnt


@dataclass(frozen=True, slots=True)
class _Timed:
    encoder: Encoder
    clips: list[Clips]  # (1, T, H, W, 3) each


def parameters(weights: Path) -> int:
    """How many numbers of a weights file are learnt. Raises WeightsMismatch."""
    tensors = load_weights(weights).tensors
    return sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith(STATISTICS))


def clip_times(variants: Mapping[str, tuple[ReadyStudy, Variant]]) -> dict[str, float]:
    """Milliseconds for one clip of T frames, alone in its batch, by the names given.

    All are measured here and now, in turns, so that what else the machine does meets them alike. The clips are of
    tracks that ask in the study's first test. Each network has its trained weights where they lie in the study's
    folder, else drawn ones, which take as long but for VRSTC's: that draws what it takes for hidden.
    """
    timed = {name: _timed(*each) for name, each in variants.items()}
    times: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(-1, CLIPS):  # the first one is not counted
        for name, each in timed.items():
            clip = each.clips[turn]
            start = perf_counter()
            each.encoder.encode(clip, np.ones(clip.shape[:2], np.bool_))
            if turn >= 0:
                times[name].append(1000 * (perf_counter() - start))
    return {name: median(each) for name, each in times.items()}


def _timed(ready: ReadyStudy, variant: Variant) -> _Timed:
    _, last = runs_of(ready.study, variant, ready.study.seeds[0])[-1]
    name = last.system if isinstance(last, SystemRun) else last.network.encoder
    with TemporaryDirectory() as folder:
        weights = _weights(ready, variant, last, Path(folder) / WEIGHTS)
        encoder = build_encoder(name, weights=weights, device=ready.place.device, threads=ready.place.threads)
    sampling = encoder.card.sampling
    frames = last.network_config().settings.frames if isinstance(last, SystemRun) else sampling.frames
    return _Timed(encoder, _clips(ready, replace(sampling, frames=frames)))


def _weights(ready: ReadyStudy, variant: Variant, last: AnyRun, file: Path) -> Path:
    """Trained ones, or drawn ones in `file`."""
    own = trained_by(ready.study, variant)
    for seed in ready.study.seeds:
        found = ready.trained(own, seed)
        if found.is_file():
            return restated(found, variant.settings, file) if variant.settings else found
    save_weights(file, _drawn(ready, last), UNTRAINED)
    return restated(file, variant.settings, file) if variant.settings else file


def _drawn(ready: ReadyStudy, config: AnyRun) -> ReidNetwork:
    if not isinstance(config, SystemRun):
        with drawn_from(config.seed):
            return Vills(network_config(config.network))
    return drawn_system(system_shape(config, ready.datasets))


def _clips(ready: ReadyStudy, size: Sampling) -> list[Clips]:
    """Of tracks where the test asks with tracks; a picture is repeated."""
    *_, probe = ready.probes(ready.study.tests[0])
    paths = [list(islice(cycle(track.paths), size.frames)) for track in islice(cycle(probe.queries), CLIPS)]
    return [np.stack([read_picture(path, size.height, size.width) for path in clip])[None] for clip in paths]
