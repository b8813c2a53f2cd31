"""How settings travel to a child process: as the `VILLS_*` variables it would have been started with by hand."""

import os

from service.settings import Settings


def environment_for(settings: Settings) -> dict[str, str]:
    """This process's environment with exactly these settings in it: `Settings()` in the child equals `settings`."""
    prefix = settings.model_config["env_prefix"]
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith(prefix)}
    chosen = {name: value for name, value in settings.model_dump().items() if value is not None}
    # OpenMP's threads sleep when they wait: spinning, they take the processor from everything beside the encoder.
    return (
        {"OMP_WAIT_POLICY": "PASSIVE"}
        | inherited
        | {f"{prefix}{name}".upper(): str(value) for name, value in chosen.items()}
    )
