"""How numbers are written in forms and query strings: in ASCII digits. Python alone would take `1_0` too."""

import re
from typing import Final

from pydantic import BeforeValidator

_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def _whole(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("a whole number has the digits 0 to 9 and nothing else: write it as 10")
    return value


def _number(value: object) -> object:
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError("a number has the digits 0 to 9 and a decimal point: write it as 0.5")
    return value


# The last of a field's annotations, so that it is the first to see the text.
WHOLE: Final = BeforeValidator(_whole)
NUMBER: Final = BeforeValidator(_number)
