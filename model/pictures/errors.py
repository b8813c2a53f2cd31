"""Errors of pictures; all are `model.errors.ModelError`."""

from model.errors import ModelError


class NothingToDraw(ModelError):
    """The figures of a run are not there, cannot be read, or hold nothing that can be drawn."""
