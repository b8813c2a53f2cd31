"""Errors of the losses."""

from model.errors import ModelError


class BadLossInput(ModelError):
    """Tensors or settings from which no loss can be computed: what is wrong is in the code or the configuration."""
