"""A worker process whose encoder sees only colours: `python -m tests.worker.colour_worker FINGERPRINT [broken]`."""

import sys
from unittest import mock

from service.settings import Settings
from service.worker import build
from tests.worker.colour_encoder import ColourEncoder


def main() -> int:
    encoder = ColourEncoder(fingerprint=sys.argv[1])
    encoder.device_fails = "broken" in sys.argv
    with mock.patch.object(build, "chosen_encoder", lambda settings: encoder):
        return build.run(Settings())


if __name__ == "__main__":
    sys.exit(main())
