"""What a form may say, field by field. Every rule of an upload or a query that is not about pixels stands here."""

import re
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from index.entries import Filter, Kind
from service.api.numbers import NUMBER, WHOLE
from service.api.times import Moment
from service.errors import Problem

MAX_TAGS = 16
MAX_K = 1000
Values = dict[str, list[str]]
_BOX = re.compile(r" *[0-9]{1,9} *(, *[0-9]{1,9} *){3}")
Form = TypeVar("Form", bound="AnyForm")


def parse_tags(value: object) -> dict[str, str]:
    """Tags out of the JSON text of a form field.

    Raises:
        ValueError: not a flat JSON object of text to text, too many, or too long.
    """
    rule = 'tags are a flat JSON object of text to text: write them as {"shift": "night"}'
    if isinstance(value, str | bytes):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(rule) from error
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(rule)
    if len(value) > MAX_TAGS:
        raise ValueError(f"an item has at most {MAX_TAGS} tags and these are {len(value)}: leave some out")
    for name, text in value.items():
        if not 1 <= len(name) <= 64 or len(text) > 256:
            raise ValueError(f"a tag's name has 1 to 64 characters and its text at most 256: shorten {name[:64]!r}")
    return value


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed: use letters, digits, spaces and punctuation")
    return text


def _parse_box(value: object) -> tuple[int, int, int, int]:
    rule = "a box is x,y,w,h in whole pixels of the upright picture, origin top left, w and h at least 1"
    if not _BOX.fullmatch(str(value)):
        raise ValueError(rule)
    x, y, width, height = (int(number) for number in str(value).split(","))
    if width < 1 or height < 1:
        raise ValueError(rule)
    return x, y, width, height


def _only_tracklets(value: object) -> object:
    if value != "tracklet":
        raise Problem(
            422,
            "content_unsupported",
            f"content is {str(value)[:100]!r}, and this service takes `tracklet`: "
            "cut the footage into clips or pictures of one person each",
            field="content",
            supported=["tracklet"],
        )
    return value


CameraId = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Tags = Annotated[
    dict[str, str],
    BeforeValidator(parse_tags),
    WithJsonSchema({"type": "string", "contentMediaType": "application/json", "examples": ['{"shift": "night"}']}),
]
Box = Annotated[
    tuple[int, int, int, int],
    BeforeValidator(_parse_box),
    WithJsonSchema({"type": "string", "pattern": r"^\d+,\d+,\d+,\d+$", "examples": ["10,20,64,128"]}),
]
Content = Annotated[Literal["tracklet"], BeforeValidator(_only_tracklets)]
Score = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False), NUMBER]
Version = Annotated[int, Field(ge=0, le=2**53), WHOLE]
Target = Literal["videos", "images", "all"]
_KIND: dict[str, Kind | None] = {"videos": "video", "images": "image", "all": None}


class AnyForm(BaseModel):
    """Unknown fields are refused: a filter that is misspelt must not be a filter that is missing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UploadForm(AnyForm):
    """Beside the file of an upload."""

    camera_id: CameraId | None = Field(None, description="camera the item was taken by")
    captured_at: Moment | None = Field(None, description="when its first frame was taken, RFC 3339 with an offset")
    content: Content = Field("tracklet", description="what the file holds: `tracklet`, one person cropped")
    tags: Tags = Field(default_factory=dict, description=f"flat JSON object, text to text, at most {MAX_TAGS}")


class QueryForm(AnyForm):
    """Beside the files of a query."""

    k: Annotated[int, Field(ge=1, le=MAX_K), WHOLE] = Field(10, description="most hits to answer with")
    target: Target = Field("all", description="kind of tracks to look for")
    camera_id: list[CameraId] = Field(default_factory=list, max_length=64, description="only these; repeatable")
    from_ms: Moment | None = Field(None, alias="from", description="tracks that end after this time")
    to_ms: Moment | None = Field(None, alias="to", description="tracks that begin before this time")
    tags: Tags = Field(default_factory=dict, description="all of these must match")
    min_score: Score | None = Field(
        None,
        description="leave out hits below it; by default those of a confidence below 1/2, where the weights carry a "
        "calibration, and none where they carry none; -1 leaves out none",
    )
    min_version: Version | None = Field(None, description="gallery version the answer must include")

    @model_validator(mode="after")
    def _time_runs_forward(self) -> "QueryForm":
        if self.from_ms is not None and self.to_ms is not None and self.from_ms >= self.to_ms:
            raise ValueError("`from` must be before `to`: swap them, or leave one out")
        return self

    def filter(self, *, exclude_item: str | None = None) -> Filter:
        """Which tracks may be hits."""
        return Filter(
            kind=_KIND[self.target],
            camera_ids=tuple(self.camera_id),
            from_ms=self.from_ms,
            to_ms=self.to_ms,
            tags=tuple(self.tags.items()),
            exclude_item_ids=(exclude_item,) if exclude_item else (),
        )


class PictureQueryForm(QueryForm):
    """A query that brings pictures or clips of its own."""

    box: Box | None = Field(None, description="cut this box out of the file first: x,y,w,h in pixels")


class TagsForm(AnyForm):
    """New tags of an item; they replace the old ones."""

    tags: Annotated[dict[str, str], BeforeValidator(parse_tags)] = Field(
        description=f"text to text, at most {MAX_TAGS}"
    )


def read_form(form: type[Form], values: Values) -> Form:
    """The form out of the fields as they came; only `camera_id` of a query may come more than once.

    Raises:
        Problem: naming field, value and rule.
    """
    repeatable = {"camera_id"} if issubclass(form, QueryForm) else set()
    for name, texts in values.items():
        if len(texts) > 1 and name not in repeatable:
            raise Problem(422, "invalid_field", f"{name} came {len(texts)} times and counts once: send it once")
    try:
        return form.model_validate({name: texts if name in repeatable else texts[0] for name, texts in values.items()})
    except ValidationError as error:
        raise field_problem(error.errors(include_url=False, include_context=False), form) from error


def read_json(form: type[Form], body: bytes) -> Form:
    """The form out of a JSON body.

    Raises:
        Problem: no JSON object, or naming field, value and rule.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_body", f"the body is no JSON: {error}") from error
    try:
        return form.model_validate(said)
    except ValidationError as error:
        raise field_problem(error.errors(include_url=False, include_context=False), form) from error


def field_problem(errors: list[Any], form: type[AnyForm] | None = None) -> Problem:
    """One 422 for all fields that broke a rule, in pydantic's list of errors; `form` is what they were read as."""
    faults = [
        {
            "field": ".".join(str(part) for part in error["loc"]) or "form",
            "value": repr(error.get("input"))[:100],
            "rule": _rule(error, form),
        }
        for error in errors
    ]
    first = faults[0]
    return Problem(422, "invalid_field", f"{first['field']} is {first['value']}: {first['rule']}", errors=faults)


def _rule(error: Any, form: type[AnyForm] | None) -> str:
    if error["type"] == "extra_forbidden" and form is not None:
        names = (field.alias or name for name, field in form.model_fields.items())
        return f"no such field; the fields are {', '.join(names)}"
    return str(error["msg"]).removeprefix("Value error, ")
