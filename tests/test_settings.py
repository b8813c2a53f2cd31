"""Settings that would not work are refused with the cure."""

import pytest
from pydantic import ValidationError

from service.settings import LEAST_DECODER_BYTES, Settings


def test_a_decoder_needs_more_memory_than_its_libraries() -> None:
    # Bug: 256 MiB were allowed, of which an idle child fills 230, so a clip in full HD was "too demanding".
    assert Settings(decoder_memory_bytes=LEAST_DECODER_BYTES).decoder_memory_bytes == 512 * 2**20
    for too_few in (0, 256 * 2**20, LEAST_DECODER_BYTES - 1):
        with pytest.raises(ValidationError, match=f"at least {LEAST_DECODER_BYTES}"):
            Settings(decoder_memory_bytes=too_few)
