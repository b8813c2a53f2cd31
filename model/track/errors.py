"""Errors of tracking.

TrackError
├─ BadDetections  boxes, scores or times that are none
└─ BadRules       settings of the tracker that contradict each other
"""

from model.errors import ModelError


class TrackError(ModelError):
    """Anything that keeps detections from becoming tracks."""


class BadDetections(TrackError):
    """Boxes, scores or times that are none, or times that do not go forward."""


class BadRules(TrackError):
    """Settings of the tracker that contradict each other."""
