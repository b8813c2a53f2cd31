"""A stick figure whose joints lie where they are put."""

import torch
from torch import Tensor

STANDING = {
    0: (0.5, 0.09), 7: (0.54, 0.09), 8: (0.46, 0.09),
    11: (0.65, 0.2), 12: (0.35, 0.2), 13: (0.75, 0.33), 14: (0.25, 0.33), 15: (0.8, 0.43), 16: (0.2, 0.43),
    19: (0.82, 0.48), 20: (0.18, 0.48), 23: (0.6, 0.5), 24: (0.4, 0.5), 25: (0.62, 0.7), 26: (0.38, 0.7),
    27: (0.63, 0.9), 28: (0.37, 0.9), 31: (0.7, 0.94), 32: (0.3, 0.94),
}  # fmt: skip


def figure(shift: tuple[float, float] = (0.0, 0.0), scale: float = 1.0) -> Tensor:
    """Keypoints (1, 33, 3) of somebody who stands and looks at us, all of them visible."""
    points = torch.full((1, 33, 3), 0.5)
    for number, place in STANDING.items():
        points[0, number, :2] = (torch.tensor(place) - 0.5) * scale + 0.5 + torch.tensor(shift)
    points[..., 2] = 1
    return points
