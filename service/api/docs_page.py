"""`/docs`: the OpenAPI document as one page that needs nothing from outside, neither scripts nor styles."""

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import Any, Final

_STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1c2127; background: #fff; }
details { border: 1px solid #c9ced6; border-radius: 4px; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { background: #f2f4f7; padding: .6rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-top: 1px solid #e3e6ea; }
"""
_TAGS: Final = '{"tags": {"shift": "night"}}'
# The browser is told to load nothing, and to apply no style but this one.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def docs_page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document: every route with its fields, its answers and a line to try it with."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    return "".join(
        (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>',
            f"<h1>{title}</h1><p>{escape(info.get('description', ''))}</p>",
            "<p>The lines to try take the address of this service from <code>VILLS</code> and a key, where one is ",
            "needed, from <code>KEY</code>. Programs read <a href='openapi.json'>openapi.json</a>.</p>",
            *_sections(document),
            "</body></html>",
        )
    )


def _sections(document: dict[str, Any]) -> Iterator[str]:
    section = None
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = operation["tags"][0]
            if tag != section:
                yield f"<h2>{escape(tag)}</h2>"
                section = tag
            yield _operation(method.upper(), path, operation, document)


def _operation(method: str, path: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    first, _, rest = operation.get("description", "").partition("\n\n")
    kind, schema = _body(operation)
    rows = [
        (each["name"], each["in"], each.get("required", False), {**each, **each["schema"]})
        for each in operation.get("parameters", [])
    ]
    required = schema.get("required", [])
    rows += [(name, "body", name in required, field) for name, field in schema.get("properties", {}).items()]
    answers = [
        f"<li><code>{escape(status)}</code> {escape(_answer(answer, document))}</li>"
        for status, answer in operation["responses"].items()
    ]
    return (
        f"<details><summary><code><b>{method}</b> {escape(path)}</code> {escape(first)}</summary>"
        f"<p>{escape(rest)}</p><pre>{escape(_command(method, path, operation, kind, schema))}</pre>"
        f"{_table(rows)}<ul>{''.join(answers)}</ul></details>"
    )


def _body(operation: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Media type and schema of the body; no schema where there is none."""
    content = operation.get("requestBody", {}).get("content", {})
    return next(((kind, each["schema"]) for kind, each in content.items()), ("", {}))


def _table(rows: list[tuple[str, str, bool, dict[str, Any]]]) -> str:
    if not rows:
        return ""
    lines = (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(place)}{', required' * required}</td>"
        f"<td>{escape(_values(schema))}</td><td>{escape(schema.get('description', ''))}</td></tr>"
        for name, place, required, schema in rows
    )
    return f"<table><tr><th>name</th><th>in</th><th>values</th><th></th></tr>{''.join(lines)}</table>"


def _values(schema: dict[str, Any]) -> str:
    """What a field may hold, in few words."""
    for choice in schema.get("anyOf", []):
        if choice.get("type") != "null":
            return _values({**schema, **choice, "anyOf": []})
    if "items" in schema:
        most = f", at most {schema['maxItems']} times" if "maxItems" in schema else ""
        return _values(schema["items"]) + most
    words = [" | ".join(schema["enum"]) if "enum" in schema else schema.get("format") or schema.get("type", "string")]
    words += [f"{word} {schema[key]:g}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    if schema.get("default") not in (None, ""):
        words.append(f"(default {schema['default']})")
    return " ".join(words)


def _answer(answer: dict[str, Any], document: dict[str, Any]) -> str:
    for content in answer.get("content", {}).values():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if name:
            members = document["components"]["schemas"][name].get("properties", {})
            return f"{answer['description']}: {name} {{{', '.join(members)}}}"
    return str(answer["description"])


def _command(method: str, path: str, operation: dict[str, Any], kind: str, schema: dict[str, Any]) -> str:
    """A line for a shell that asks the route for the least it takes."""
    words = ["curl"]
    if method not in {"GET", "POST"} or (method == "POST" and not schema):
        words.append(f"-X {method}")
    if "security" in operation:
        words.append('-H "Authorization: Bearer $KEY"')
    if kind == "application/json":
        words.append(f"-H 'Content-Type: application/json' -d '{_TAGS}'")
    elif schema:
        words.append("-F file=@FILE" if "file" in schema["properties"] else "-F k=10")
    address = re.sub(r"{(\w+)}", lambda name: name[1].upper(), path)
    return " ".join([*words, f'"$VILLS{address}"'])
