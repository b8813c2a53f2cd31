"""What a list may be asked for, in the query string."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from starlette.requests import Request

from service.api.forms import AnyForm, CameraId, Form, Tags, read_form
from service.api.identity import is_id
from service.api.models import JobState
from service.api.numbers import WHOLE
from service.api.times import Moment

MAX_PAGE = 500


def _cursor(text: str) -> str:
    if not is_id(text):
        raise ValueError(
            "a cursor is the `next_cursor` of the page before, 32 hex digits: pass it on as it came, "
            "or leave it out for the first page"
        )
    return text


Cursor = Annotated[str, AfterValidator(_cursor)]


class Page(AnyForm):
    """Pages are cut by a cursor: what is added meanwhile neither repeats nor hides an entry."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE), WHOLE] = Field(100, description="most entries of a page")
    cursor: Cursor | None = Field(None, description="`next_cursor` of the page before")


class ItemFilter(Page):
    """Which items; all that is given must hold. Newest first."""

    camera_id: CameraId | None = Field(None, description="only this camera")
    from_ms: Moment | None = Field(None, alias="from", description="captured at or after this time")
    to_ms: Moment | None = Field(None, alias="to", description="captured before this time")
    status: Literal["queued", "ready", "failed"] | None = Field(None, description="only items in this state")
    tags: Tags = Field(default_factory=dict, description="JSON object; all of these must match")


class JobFilter(Page):
    """Which jobs."""

    status: JobState = Field("dead", description="only jobs in this state")


def read_query(form: type[Form], request: Request) -> Form:
    """The query string as a form.

    Raises:
        Problem: naming field, value and rule.
    """
    values: dict[str, list[str]] = {}
    for name, text in request.query_params.multi_items():
        values.setdefault(name, []).append(text)
    return read_form(form, values)
