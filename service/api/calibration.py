"""What a score means: the calibration that comes with an encoder's weights, used for two things.

Both use the one threshold that `vills evaluate` reports with its error rates, the logistic's midpoint. At it, the first
answer of a search is as likely right as wrong, when half of all searches are for somebody who is in the gallery.
"""

import math

from index.space import Space


def confidence(score: float, space: Space) -> float | None:
    """Calibrated probability in [0, 1] that both are one person; None when the weights carry no calibration."""
    if space.calibration is None:
        return None
    midpoint, slope = space.calibration
    # tanh does not overflow where exp does.
    return 0.5 * (1 + math.tanh(0.5 * slope * (score - midpoint)))


def usual_min_score(space: Space) -> float | None:
    """The `min_score` of a query that names none, a cosine: hits of a confidence below 1/2 are left out.

    None when the weights carry no calibration: every hit is shown then.
    """
    if space.calibration is None:
        return None
    return max(-1.0, min(1.0, space.calibration[0]))
