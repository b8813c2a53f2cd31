"""What an encoder says of itself, made from its network's configuration and where its weights come from."""

from pathlib import Path

from model.encoder import EncoderCard
from model.errors import WeightsMismatch
from model.network import NetworkConfig
from model.weights import Origin, Weights, fingerprint, load_weights


def card_of(config: NetworkConfig, dimension: int, origin: Origin, numbers: bytes) -> EncoderCard:
    """`numbers`: what the weights are, for the fingerprint: a digest of them, or the recipe that draws them."""
    return EncoderCard(
        name=config.name,
        dimension=dimension,
        sampling=config.sampling,
        fingerprint=fingerprint(config.to_json(), config.sampling, numbers),
        trained=origin.trained,
        licence=origin.licence,
        training_data=origin.training_data,
        calibration=origin.calibration,
    )


def weights_for(name: str, path: Path) -> Weights:
    """The weights in a file, of the encoder called `name`.

    Raises:
        WeightsMismatch: they cannot be read, or are of another encoder.
    """
    weights = load_weights(path)
    if weights.config.name != name:
        raise WeightsMismatch(
            f"{path} holds weights of {weights.config.name}, and the encoder asked for is {name}: "
            f"set VILLS_ENCODER to {weights.config.name}, or give other weights"
        )
    return weights
