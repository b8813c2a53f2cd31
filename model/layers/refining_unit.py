"""The refining recurrent unit of STMP: a memory of maps that takes from each frame what the frames before lacked."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RefiningUnit(nn.Module):
    """Maps of a clip's frames -> the memory after each frame; exactly the first map for copies of one frame.

    With x_t the map of frame t (C x h x w), h_t the memory, [a, b] the two laid together::

        h_1 = x_1
        d_t = relu(norm(conv1x1([h_{t-1} - x_t, x_t - x_{t-1}])))     of how it looks and how it moves, N channels
        s_t = W_2 relu(W_1 mean over channels d_t)                    a number a place, h x w
        c_t = W_3 mean over places d_t                                a number a channel, C
        z_t = sigmoid(s_t c_t)                                        C x h x w
        h_t = (1 - z_t) h_{t-1} + z_t x_t

    None of the four maps has a bias. In training the norm is over the clips of one t.

    Source: Liu et al. (STMP), AAAI 2019, by their program (yolomax/person-reid-lib). There W_1 is a convolution
    whose kernel is as large as the map, which is a linear map of all its places: so a unit fits one size of map. Its
    norm also counts the first frame, whose differences are 0, in the statistics it keeps; here it does not.
    """

    def __init__(self, channels: int, height: int, width: int, *, gate_channels: int, spatial_hidden: int) -> None:
        """`height`, `width`: of the map; `gate_channels`: N of d_t; `spatial_hidden`: rows of W_1."""
        super().__init__()
        self.size = (height, width)
        places = height * width
        self.difference = nn.Sequential(
            nn.Conv2d(2 * channels, gate_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(gate_channels, eps=1e-3),
            nn.ReLU(),
        )
        self.spatial = nn.Sequential(
            nn.Linear(places, spatial_hidden, bias=False), nn.ReLU(), nn.Linear(spatial_hidden, places, bias=False)
        )
        self.channel = nn.Linear(gate_channels, channels, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, T, C, h, w) -> h_1 to h_T, (B, T, C, h, w), float32 or better.

        Raises:
            ValueError: maps of another size than the unit's.
        """
        if tuple(maps.shape[-2:]) != self.size:
            raise ValueError(
                f"this refining unit is for maps of {self.size[0]} x {self.size[1]}, not "
                f"{maps.shape[-2]} x {maps.shape[-1]}: give pictures of the size it was built for"
            )
        # A memory that adds up small changes loses them in half precision; the convolution may run in it.
        frames = (maps.float() if maps.dtype in (torch.float16, torch.bfloat16) else maps).unbind(dim=1)
        memory = [frames[0]]
        for before, now in pairwise(frames):
            gate = self.gate(memory[-1] - now, now - before)
            memory.append(memory[-1] + gate * (now - memory[-1]))  # equal maps stay equal to the last digit
        return torch.stack(memory, dim=1)

    def gate(self, look: Tensor, motion: Tensor) -> Tensor:
        """z, from 0 to 1, of the two differences (B, C, h, w): (B, C, h, w)."""
        d = self.difference(torch.cat([look, motion], dim=1))  # (B, N, h, w)
        s = self.spatial(d.mean(dim=1).flatten(1)).view(-1, 1, *self.size)  # (B, 1, h, w)
        c = self.channel(d.mean(dim=(2, 3)))[:, :, None, None]  # (B, C, 1, 1)
        return F.sigmoid(s.to(look.dtype) * c.to(look.dtype))
