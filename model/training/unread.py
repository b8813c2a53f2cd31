"""Values that a configuration gives and nothing reads: refused, for whoever wrote them meant something by them."""

from collections.abc import Iterable

from pydantic import BaseModel


def refuse_unread(section: BaseModel, names: Iterable[str], why: str, *, inside: str = "") -> None:
    """Refuse values of a section that nothing reads.

    why: what leaves them unread. inside: the section's name, where it is asked about from outside.

    The default's may stand, and 0 as well, for off is off: so what switches a part off over a base, in which its
    details are written, can set them back.

    Raises:
        ValueError: names the value, the reason and the cure.
    """
    for name in names:
        value, default = getattr(section, name), type(section).model_fields[name].default
        if value not in (default, 0):
            dotted = f"{inside}.{name}" if inside else name
            raise ValueError(
                f"{dotted} is {value} and nothing reads it, for {why}: leave it out, or set it to {default}"
            )
