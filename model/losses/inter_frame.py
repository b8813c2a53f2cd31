"""Inter-frame regularisation: the frames of a clip should be attended to alike."""

from torch import Tensor

from model.losses.pairs import distances, nothing
from model.losses.precision import in_float32


@in_float32
def inter_frame(attention: Tensor) -> Tensor:
    """What one frame's bands weigh should be near to what another frame's weigh.

    With the attention A_t of frame t over its K bands, over the T (T - 1) ordered pairs of frames of a clip::

        L = 1 / (T (T - 1)) sum_tu ||A_t - A_u||_2

    and the mean over the clips.

    Source: **this project's.** STA (AAAI 2019) trains with an "inter-frame regularisation" whose formula we could not
    read. What is taken from its name: it compares frames, and holds a clip's attention back from changing between
    them. The norm, its not being squared, and all pairs instead of some are assumptions.

    Args:
        attention: (B, K, T), B at least 1.

    Returns:
        A scalar; exactly 0, with a gradient of 0, for single frames.
    """
    frames = attention.transpose(1, 2)  # (B, T, K)
    clips, n_frames, _ = frames.shape
    if n_frames < 2:
        return nothing(attention)
    return distances(frames, frames).sum() / (clips * n_frames * (n_frames - 1))  # 0 for a frame and itself
