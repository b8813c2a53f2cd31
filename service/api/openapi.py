"""The OpenAPI document: forms read by hand, problems and scopes are told to it here."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from service.api import models
from service.api.policy import POLICIES

_FILE_SCHEMA = {"type": "string", "format": "binary"}
_DESCRIPTION = (
    "Person re-identification retrieval: put clips and pictures of people in, ask with a picture, get every track of "
    "that person. Errors are `application/problem+json` with a stable `code`."
)


def multipart_body(form: type[BaseModel], *, files: int) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a form with one file, or up to `files` of one person."""
    schema = _schema(form)
    several = {"type": "array", "items": _FILE_SCHEMA, "minItems": 1, "maxItems": files}
    schema["properties"] = {"file": _FILE_SCHEMA if files == 1 else several, **schema["properties"]}
    schema["required"] = ["file", *schema.get("required", [])]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def form_body(form: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a form without files, or none."""
    content = {kind: {"schema": _schema(form)} for kind in ("application/x-www-form-urlencoded", "multipart/form-data")}
    return {"requestBody": {"required": False, "content": content}}


def json_body(form: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a JSON object."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": _schema(form)}}}}


def query_parameters(form: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route whose query string is read as a form."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": schema.get("description", ""),
                "schema": {key: value for key, value in schema.items() if key != "description"},
            }
            for name, schema in _schema(form)["properties"].items()
        ]
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; made once and kept by the app."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
        components = schema.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["Problem"] = models.Problem.model_json_schema()
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for path, operations in schema["paths"].items():
            for method, operation in operations.items():
                _complete(operation, POLICIES[method.upper(), path].scopes)
        app.openapi_schema = schema
    return app.openapi_schema


def _complete(operation: dict[str, Any], scopes: tuple[str, ...]) -> None:
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "a problem",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if scopes:
        operation["security"] = [{"bearer": []}, {"header": []}]
        operation["description"] = f"{operation.get('description', '')}\n\nScope: {' or '.join(scopes)}.".strip()


def _schema(form: type[BaseModel]) -> dict[str, Any]:
    schema = form.model_json_schema(by_alias=True)
    schema.pop("title", None)
    return schema
