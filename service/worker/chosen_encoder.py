"""The encoder that the settings choose."""

from model.build import build_encoder
from model.encoder import Encoder
from service.settings import Settings


def chosen_encoder(settings: Settings) -> Encoder:
    """Build it, weights and all.

    Raises:
        ModelError: no such encoder, or its weights, file or device cannot be used.
    """
    return build_encoder(
        settings.encoder,
        weights=settings.weights,
        device=settings.device,
        threads=settings.threads,
        model_dir=settings.model_dir,
        compile=settings.compile,
    )
