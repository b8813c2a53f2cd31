"""Which errors are the user's to cure. They become one line on standard error and exit code 2, without a traceback."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

    from service.settings import Settings


class UserError(Exception):
    """What was asked for cannot be done; the message names rule, value and cure."""


def user_errors() -> tuple[type[Exception], ...]:
    """The errors whose message is all that a person needs. Loads the libraries that define them."""
    from index.errors import GalleryError
    from model.errors import ModelError
    from service.client.errors import VillsError
    from service.decode.errors import MediaError
    from service.local.errors import LocalError

    return UserError, GalleryError, ModelError, VillsError, MediaError, LocalError


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
    lines = []
    for problem in error.errors(include_url=False):
        name = "_".join(["VILLS", *(str(part) for part in problem["loc"][:1])]).upper()
        lines.append(f"{name} is {problem['input']!r}, which breaks its rule: {problem['msg']}")
    return "; ".join(lines)
