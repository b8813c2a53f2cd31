"""Which errors are told in one line on standard error, without a traceback, and how the command then exits."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

    from service.settings import Settings


class UserError(Exception):
    """What was asked for cannot be done; the message names rule, value and cure."""


def exit_code(error: Exception) -> int | None:
    """1: something is not there that was there or may come; 2: what was asked for is wrong; None: our own fault.

    The difference matters to `vills up`, which starts an api or a worker again unless it ended with 2.
    """
    # Loaded only now: they bring the libraries whose errors they tell.
    from index.errors import GalleryError, StoreUnavailable
    from model.errors import DeviceFailed, ModelError
    from service.client.errors import VillsError
    from service.decode.errors import MediaError
    from service.local.errors import LocalError

    if isinstance(error, StoreUnavailable | DeviceFailed):
        return 1
    if isinstance(error, VillsError):
        return 1 if error.status == 0 or error.status >= 500 else 2
    return 2 if isinstance(error, UserError | GalleryError | ModelError | MediaError | LocalError) else None


def settings_with(**overrides: Any) -> "Settings":
    """The settings out of the environment, and over them the options that were given (are not None).

    Raises:
        UserError: a value breaks its rule.
    """
    from pydantic import ValidationError

    from service.settings import Settings

    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        raise UserError(_told(error)) from error


def _told(error: "ValidationError") -> str:
    from model.faults import faults_of

    faults = faults_of(error, {})  # of each setting the name alone
    return "; ".join(
        f"VILLS_{each.field.upper()} is {each.value}, which breaks its rule: {each.rule}" for each in faults
    )
