"""A VILLS network behind the encoder interface: folded, and in the device's best precision."""

import torch

from model.encoder import EncoderCard
from model.layers.stem import ConvStem
from model.torch_encoder import TorchEncoder
from model.vills.network import Vills


class VillsEncoder(TorchEncoder):
    """Owns the network given to it; see `model.torch_encoder.TorchEncoder`."""

    network: Vills  # folded, moved and cast: to be looked at and measured, not to be changed

    def __init__(
        self,
        card: EncoderCard,
        network: Vills,
        *,
        device: torch.device,
        dtype: torch.dtype,
        compile: bool = False,
    ) -> None:
        super().__init__(card, network, device=device)
        if isinstance(network.trunk.patch_embed, ConvStem):
            network.trunk.patch_embed.fold()
        # Nearly all the arithmetic is in here; what fuses, centres and compares stays float32.
        network.trunk.to(dtype)
        network.adapters.to(dtype)
        if compile:
            # Block by block: all blocks share one compiled form, and what depends on the mask stays outside.
            for block in network.trunk.blocks:
                block.compile(dynamic=True)
