"""Commands that a document shows, read as `vills` reads them."""

import re
import shlex
from functools import cache
from typing import Any

import typer

from service.commands.main import app


def shown_commands(text: str) -> list[str]:
    """The lines of a document's code blocks that call `vills`, with what stands before it."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        line for block in blocks for line in block.splitlines() if re.search(r"(^|\s)(vills|[.\w]*main) [a-z]", line)
    ]


def arguments_of(line: str) -> list[str]:
    """What a shell hands to `vills`; a `&` at the end is the shell's. Raises ValueError where it keeps more of it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    if words[-1:] == ["&"]:
        words.pop()
    if set(words) & {"|", "<", ">", "&", ";", "(", ")"}:
        raise ValueError(f"a shell takes a part of {line!r} for itself")
    return words[next(place for place, word in enumerate(words) if word in ("vills", "service.commands.main")) + 1 :]


@cache
def _vills() -> Any:
    return typer.main.get_command(app)


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """Read a command as `vills` does, down to every option and its type, and run nothing: its name, its values.

    Raises:
        ValueError: a shell would not hand it to `vills` as it stands.
        TyperException: `vills` would not take it.
    """
    command, arguments, context = _vills(), arguments_of(line), None
    while True:
        context = command.make_context(command.name, arguments, parent=context)
        if not hasattr(command, "resolve_command"):
            return command.name, context.params
        _, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
