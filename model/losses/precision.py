"""Arithmetic in float32 whatever precision the network runs in: logarithms and small differences need it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """A function that sees its half-precision tensors as float32, and is not touched by an autocast around it.

    Tensors may be arguments, or stand in lists and tuples that are arguments. float64 and integers stay as they
    are: in float64 a loss can be compared with its formula more closely.
    """

    @wraps(function)
    def widened(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return function(*[_widen(value) for value in args], **{key: _widen(value) for key, value in kwargs.items()})

    return widened


def _widen(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.float16, torch.bfloat16) else value
    if isinstance(value, list | tuple):
        return [_widen(item) for item in value]
    return value
