"""Snippet similarity with attention (CSA): tracks in short snippets, pooled by a query of their own or of a probe.

Source: Chen et al., "Video Person Re-identification with Competitive Snippet-similarity Aggregation and Co-attentive
Snippet Embedding", CVPR 2018, and their program (dapengchen123/video_reid), whose are pictures of 256 x 128, ResNet-50
with a stride of 2, the mean over its last map, the weights of the losses, and a table of zeros before the first batch.
Left out: the optical flow that goes beside the pictures; without it the paper has 81.2 Rank-1 and 69.4 mAP on MARS,
with it 86.3 and 76.1.

Retrieval is by self-pooling, since a vector for each pair cannot be indexed; `Snippet.rescore` puts the top candidates
of such a search in a new order, by cross-pooling. Assumed, as neither tells: that one map makes the keys of both
poolings, for the program has another one for cross-pooling and never calls it. Otherwise than there: the norms of
queries and keys see all snippets of a batch at once, not the first and the second ones of its pairs apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model.layers.frame_trunk import FrameTrunk, TrunkName
from model.layers.snippet_pooling import PairVerifier, SnippetPooling, Snippets
from model.layers.temporal_pooling import spatial_average
from model.losses.oim import oim_loss, oim_table
from model.losses.precision import in_float32
from model.losses.verification import balanced_verification
from model.systems.bounds import Count, Frames, Part, Pixels, Scale, Share, Weight
from model.systems.system import Batch, System, frames_of


@dataclass(frozen=True, slots=True)
class SnippetConfig:
    """The program's numbers, but for what the module calls assumed."""

    trunk: TrunkName = "resnet50"
    last_stride: Literal[1, 2] = 2
    height: Pixels = 256
    width: Pixels = 128
    frames: Frames = 8  # of a snippet
    stride: Count = 4  # frames from one snippet's start to the next one's
    dimension: Count = 128  # of queries, keys and values
    # What a pair's second vector is pooled by. "cross" (default): the probe's query, as the paper describes and as
    # re-scoring needs it to have been learned. "self": its own; the program has cross-pooling, but skips the call.
    pairs: Literal["cross", "self"] = "cross"
    scale: Scale = 30.0  # of the cosines with the table
    momentum: Part = 0.5  # of the table
    negative_rate: Weight = 3.0  # weight of pairs of two persons beside that of pairs of one
    verification_weight: Weight = 10.0  # beside 1 for the table's: 100 times pairs' weights that sum up to 1/10
    nearest: Share = 0.2  # share of two tracks' snippet distances, the lowest ones, whose mean is the tracks' distance


class Snippet(System):
    """A trunk, self-pooling over a snippet's frames, and a verifier of pairs of snippets.

    `frames` is what the paper trains on and cuts tracks into; it takes clips of any length, in any order.
    """

    fixed = False

    def __init__(self, config: SnippetConfig) -> None:
        super().__init__()
        self.config = config
        self.frames = config.frames
        self.dimension = config.dimension
        self.trunk = FrameTrunk(config.trunk, last_stride=config.last_stride)
        self.pooling = SnippetPooling(self.trunk.channels[-1], config.dimension)
        self.verify = PairVerifier(config.dimension)

    def features(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> self-pooled vectors, (B, D)."""
        return self.encode(clips).pooled()

    def encode(self, clips: Tensor) -> Snippets:
        """(B, T, 3, H, W) -> what `rescore` compares, of B snippets."""
        snippets: Snippets = self.pooling(self._vectors(clips))
        return snippets

    def encode_track(self, track: Tensor) -> Snippets:
        """A track's frames (L, 3, H, W) -> what `rescore` compares, of its N snippets; each frame is looked at once."""
        snippets: Snippets = self.pooling(self.snippets(self._vectors(track[None])[0]))
        return snippets

    def _vectors(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) -> (B, T, C)."""
        maps = self.trunk(frames_of(clips, self.config.height, self.config.width))  # (B * T, C, h, w)
        vectors: Tensor = spatial_average(maps).view(*clips.shape[:2], -1)
        return vectors

    def snippets(self, track: Tensor) -> Tensor:
        """A track's frames, or what was made of each, (L, ...) -> its snippets (N, T, ...), one every `stride` frames.

        As the program cuts them: a track that is shorter than a snippet repeats its last frame; a longer one has a
        snippet from each start below L - T, so that its last frame is in none, and two need L > T + `stride`.
        """
        if len(track) == 0:
            raise ValueError("a track has one frame or more, and this has none: leave it out")
        within = torch.arange(self.frames)
        starts = torch.arange(0, max(len(track) - self.frames, 1), self.config.stride)
        return track[(starts[:, None] + within).clamp(max=len(track) - 1)]

    def rescore(self, query_snippets: Snippets, gallery_snippets: Sequence[Snippets]) -> Tensor:
        """How alike a query's track and each of G candidates' are, from 0 to 1, (G,) float64. In evaluation mode.

        Each of the candidate's snippets is pooled by each of the query's, and their distance is the verifier's
        probability of two persons. The score is one minus `track_distance`.
        """
        return torch.stack([1 - self._track_distance(query_snippets, gallery) for gallery in gallery_snippets])

    def training_heads(self, n_persons: int) -> nn.Module:
        return SnippetHeads(n_persons, self.config.dimension)

    def losses(self, batch: Batch, heads: nn.Module) -> Mapping[str, Tensor]:
        """Persons by each frame's value, and pairs: every first snippet of two with every second one.

        Snippets 0 and 1, 2 and 3 and so on are of one person where the batch has an even number of each. In training
        mode of the heads, their table then takes in the frames: the losses are those before it did.
        """
        assert isinstance(heads, SnippetHeads)
        config, snippets = self.config, self.encode(batch.clips)
        frames = snippets.value.flatten(0, 1)  # (B * T, D)
        person = batch.person.repeat_interleave(snippets.value.shape[1])
        table = heads.table.clone()  # backward needs the table as it was
        if heads.training:
            heads.table.copy_(oim_table(table, frames.detach(), person, momentum=config.momentum))
        # Pairs alone reach the verifier's norm: of a snippet and itself all squares are 0, and would draw it there.
        logits = self._compare(snippets.every_second(0), snippets.every_second(1))
        same = batch.person[::2, None] == batch.person[None, 1::2]
        verification = balanced_verification(logits, same, negative_rate=config.negative_rate)
        return {
            "oim": oim_loss(frames, person, table, scale=config.scale),
            "verification": config.verification_weight * verification,
        }

    def _compare(self, probe: Snippets, gallery: Snippets) -> Tensor:
        """Logits of all pairs of M and N snippets, (M, N, 2)."""
        cross = self.config.pairs == "cross"
        theirs = gallery.pooled_for(probe) if cross else gallery.pooled()[None]
        logits: Tensor = self.verify(probe.pooled()[:, None], theirs)
        return logits

    def _track_distance(self, probe: Snippets, gallery: Snippets) -> Tensor:
        # In float64: in float32 all pairs that differ clearly would be equally unlike each other.
        different = self._compare(probe, gallery).double().softmax(dim=-1)[..., 0]  # (M, N)
        return track_distance(different, self.config.nearest)


class SnippetHeads(nn.Module):
    """The table of OIM, a vector for each person; a buffer, as it is not learned but remembered.

    `Snippet.losses` writes it, so the losses of a batch depend on the batches before, and it belongs into a checkpoint.
    """

    table: Tensor  # (P, D), unit vectors, 0 for persons not yet seen

    def __init__(self, n_persons: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(n_persons, dimension))


@in_float32
def track_distance(distances: Tensor, nearest: float) -> Tensor:
    """The mean of the lowest distances between two tracks' snippets, (M, N) -> a scalar.

    Those up to the quantile `nearest` of all n = M N: floor(nearest (n - 1)) + 1 of them, and what equals the last one.
    """
    every = distances.flatten()
    last = every.kthvalue(int(nearest * (len(every) - 1)) + 1).values
    return every[every <= last].mean()
