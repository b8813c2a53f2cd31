"""Errors of evaluation; all are `model.errors.ModelError`."""

from model.errors import ModelError


class EvaluationError(ModelError):
    """What was asked for cannot be evaluated."""


class NothingToAsk(EvaluationError):
    """The data hold no query, no gallery, or no query with a right answer for this protocol."""
