"""The encoder beside its bare trunk: what everything around the trunk costs. Import this only when torch is loaded."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from model.vills.encoder import VillsEncoder
from service.bench.report import Report

LEAST_RATIO = 0.9
LEAST_MATRIX_SHARE = {"vills-base": 0.4}
MATRIX_SIDE, MATRIX_PRODUCTS = 8192, 20


@dataclass(frozen=True, slots=True)
class EncodePlan:
    """How much to encode at a time, how often and how long."""

    batch_items: int  # frames in one forward pass
    rounds: int
    seconds: float  # of each loop


def measure_encode(encoder: VillsEncoder, plan: EncodePlan, report: Report) -> None:
    """Images, then full clips: frames a second of the encoder and of its trunk alone, round by round."""
    for kind, n_frames in (("images", 1), ("clips", encoder.card.sampling.frames)):
        batch = max(1, plan.batch_items // n_frames)
        _measure_kind(
            encoder, f"{encoder.card.name}: {kind}, {batch} x {n_frames} frames", (batch, n_frames), plan, report
        )


def _measure_kind(encoder: VillsEncoder, title: str, shape: tuple[int, int], plan: EncodePlan, report: Report) -> None:
    sampling = encoder.card.sampling
    clips = np.random.default_rng(0).integers(0, 256, (*shape, sampling.height, sampling.width, 3), np.uint8)
    mask = np.ones(shape, np.bool_)

    def whole() -> object:
        return encoder.encode(clips, mask)

    bare = bare_trunk(encoder, clips)
    for warm in (whole, bare):
        warm()
    served, alone = [], []
    for _ in range(plan.rounds):
        alone.append(mask.size * _calls_a_second(bare, plan.seconds))
        served.append(mask.size * _calls_a_second(whole, plan.seconds))
    report.add(f"{title}: bare trunk", "frames/s", alone)
    report.add(f"{title}: encoder", "frames/s", served)
    ratios = [one / other for one, other in zip(served, alone, strict=True)]
    report.add(f"{title}: encoder / bare trunk", "ratio", ratios, least=LEAST_RATIO)
    device = encoder.network.mean.device
    if device.type == "cuda":
        rate = matrix_rate(device)
        cost = flops(encoder, shape) / mask.size
        least = LEAST_MATRIX_SHARE.get(encoder.card.name)
        report.add(f"{title}: bf16 matrix products of this device", "TFLOP/s", [rate / 1e12])
        report.add(f"{title}: share of the matrix rate", "ratio", [each * cost / rate for each in served], least=least)


def bare_trunk(encoder: VillsEncoder, clips: np.ndarray) -> Callable[[], object]:
    """A call of the trunk itself on frames that are ready for it, on the device; tokens are pooled by their mean."""
    network = encoder.network
    pixels = torch.from_numpy(clips).to(network.mean.device).permute(0, 1, 4, 2, 3)  # as the encoder lays them out
    frames = network.normalise(pixels.flatten(0, 1))

    @torch.inference_mode()
    def run() -> Tensor:
        tokens: Tensor = network.trunk.forward_features(frames)  # (F, 1 + L, C)
        return tokens.mean(dim=1).float().cpu()  # brought back, as embeddings are: a GPU has then finished

    return run


def flops(encoder: VillsEncoder, shape: tuple[int, int]) -> int:
    """Floating-point operations (a multiplication and an addition are two) of encoding full clips, (B, T) frames."""
    network, sampling = encoder.network, encoder.card.sampling
    device = network.mean.device
    clips = torch.zeros(*shape, 3, sampling.height, sampling.width, dtype=torch.uint8, device=device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(clips, torch.ones(shape, dtype=torch.bool, device=device))
    return int(counter.get_total_flops())


def matrix_rate(device: torch.device, side: int = MATRIX_SIDE, products: int = MATRIX_PRODUCTS) -> float:
    """Floating-point operations a second of bfloat16 matrix products, measured here and now."""
    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    done = left @ right
    done[0, 0].item()  # waits for the device
    begun = time.perf_counter()
    for _ in range(products):
        done = left @ right
    done[0, 0].item()
    return 2 * side**3 * products / (time.perf_counter() - begun)


def _calls_a_second(call: Callable[[], object], seconds: float) -> float:
    begun, calls = time.perf_counter(), 0
    while True:
        call()
        calls += 1
        spent = time.perf_counter() - begun
        if spent >= seconds:
            return calls / spent
