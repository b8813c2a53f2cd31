"""The VILLS network: one trunk for images and clips, temporal adapters (UFLA), part queries (LSE), one embedding."""

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from model.layers.clip_layout import ClipLayout
from model.layers.mobilenet_stem import MobileNetStem
from model.layers.neck import BatchNormNeck
from model.layers.osnet_stem import OsnetStem
from model.layers.part_pool import PartPool
from model.layers.stem import ConvStem
from model.layers.temporal_adapter import TemporalAdapter
from model.network import ReidNetwork
from model.vills.config import Stem, VillsConfig

STEMS: dict[Stem, type[nn.Module]] = {"patches": PatchEmbed, "mobilenetv2": MobileNetStem, "osnet": OsnetStem}


class Vills(ReidNetwork):
    """Clips of person crops to unit vectors. An image is a clip of one frame and takes the same path.

    Letters: B clips, T frames, F real frames of all clips, L patch tokens, C channels, K parts, D embedding, S numbers
    of the stem's descriptor (0 where it has none).
    """

    config: VillsConfig
    mean: Tensor
    std: Tensor

    def __init__(self, config: VillsConfig) -> None:
        super().__init__()
        self.config = config
        self.dimension = config.dimension
        self.trunk = VisionTransformer(
            img_size=(config.height, config.width),
            patch_size=config.patch,
            embed_layer=STEMS[config.stem],
            embed_dim=config.channels,
            depth=config.depth,
            num_heads=config.heads,
            num_classes=0,
            global_pool="",
            drop_path_rate=config.drop_path,
        )
        # The position table is read as `grid` rows and columns, never as a square.
        assert self.trunk.patch_embed.grid_size == config.grid
        self.adapters = nn.ModuleDict(
            {str(block): TemporalAdapter(config.channels, config.adapter_channels) for block in config.adapter_blocks}
        )
        self._first_adapter = min(config.adapter_blocks, default=config.depth)
        self.parts = PartPool(config.channels, config.parts)
        stem = self.trunk.patch_embed
        self._descriptor = stem.descriptor if isinstance(stem, ConvStem) else 0
        self.fuse = nn.Linear((1 + config.parts) * config.channels + self._descriptor, config.dimension)
        self.neck = BatchNormNeck(config.dimension)
        # Of pixel values 0-255. Not in the weights' tensors: they are part of the configuration.
        self.register_buffer("mean", 255 * torch.tensor(config.mean)[:, None, None], persistent=False)
        self.register_buffer("std", 255 * torch.tensor(config.std)[:, None, None], persistent=False)

    def forward(self, clips: Tensor, mask: Tensor) -> Tensor:
        """Embed clips: RGB 0-255, uint8 or float, (B, T, 3, H, W), and bool mask (B, T) -> (B, D), unit length."""
        embedding: Tensor = self.neck(self.features(clips, mask))
        return embedding

    def features(self, clips: Tensor, mask: Tensor) -> Tensor:
        """What the neck is given: (B, T, 3, H, W), (B, T) -> (B, D), float32, of any length."""
        layout = ClipLayout(mask)
        patches, descriptor = self.stem(self.normalise(layout.pack(clips)))
        tokens = self.tokens_of(patches, layout)  # (F, 1 + L, C)
        return layout.mean(self.frame_features(tokens, descriptor))  # (B, D)

    def normalise(self, frames: Tensor) -> Tensor:
        """Pixels 0-255 to what the trunk is fed, in its precision: (F, 3, H, W), same shape out."""
        return (frames - self.mean).div_(self.std).to(self.trunk.patch_embed.proj.weight.dtype)

    def tokens(self, frames: Tensor, layout: ClipLayout) -> Tensor:
        """[CLS] and patch tokens of each real frame: (F, 3, H, W) -> (F, 1 + L, C)."""
        return self.tokens_of(self.trunk.patch_embed(frames), layout)

    def stem(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Patch tokens and descriptor of each frame: (F, 3, H, W) -> (F, L, C), (F, S)."""
        stem = self.trunk.patch_embed
        if isinstance(stem, ConvStem):
            return stem.both(frames)
        patches: Tensor = stem(frames)
        return patches, patches.new_zeros(len(frames), 0)

    def tokens_of(self, patches: Tensor, layout: ClipLayout) -> Tensor:
        """What `tokens` gives, from the stem's output: (F, L, C) -> (F, 1 + L, C)."""
        return self.with_time(self.without_time(patches), layout)

    def without_time(self, patches: Tensor) -> Tensor:
        """The stem's output through the blocks before the first temporal adapter: (F, L, C) -> (F, 1 + L, C).

        Nothing up to here sees neighbour frames: in training it runs once for frames that are looked at both as images
        and as parts of clips.
        """
        x: Tensor = self.trunk.norm_pre(self.trunk._pos_embed(patches))  # (F, 1 + L, C)
        tokens: Tensor = self.trunk.blocks[: self._first_adapter](x)
        return tokens

    def with_time(self, x: Tensor, layout: ClipLayout) -> Tensor:
        """What `without_time` gives through the rest of the trunk: (F, 1 + L, C), same shape out."""
        for number, block in enumerate(self.trunk.blocks[self._first_adapter :], start=self._first_adapter):
            # An adapter is the first step of its block. Clips of one frame skip it: it would add exactly 0.
            if str(number) in self.adapters and not layout.is_still:
                x = x + self.adapters[str(number)](x, layout)
            x = block(x)
        tokens: Tensor = self.trunk.norm(x)
        return tokens

    def frame_features(self, tokens: Tensor, descriptor: Tensor) -> Tensor:
        """[CLS], parts and the stem's descriptor of each frame, fused: (F, 1 + L, C), (F, S) -> (F, D), float32."""
        tokens = tokens.to(self.fuse.weight.dtype)
        whole, patches = tokens[:, :1], tokens[:, 1:]  # (F, 1, C), (F, L, C)
        seen = torch.cat([whole, self.parts(patches)], dim=1)  # (F, 1 + K, C)
        known = seen.flatten(1)
        if self._descriptor:
            known = torch.cat([known, descriptor.to(seen.dtype)], dim=1)
        fused: Tensor = self.fuse(known)  # (F, D)
        return fused.float()

    @torch.no_grad()
    def lean_on_stem(self, rest: float) -> None:
        """Begin with embeddings whose angles are those of the stem's descriptors.

        What else is fused begins `rest` times as large as usual: enough to learn from, too little to be heard.
        """
        assert 0 < self._descriptor <= self.config.dimension, "no isometry into fewer numbers"
        self.fuse.weight[:, : -self._descriptor] *= rest
        nn.init.orthogonal_(self.fuse.weight[:, -self._descriptor :])
        nn.init.zeros_(self.fuse.bias)
