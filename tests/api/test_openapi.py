"""The document: what is there, and what must not be."""

import json

from service.api.policy import POLICIES
from tests.api.conftest import Api

HIDDEN = {("GET", "/docs"), ("GET", "/openapi.json")}


async def test_the_document_has_every_route_and_nothing_that_is_left_out(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    shown = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert shown == set(POLICIES) - HIDDEN
    assert shown == {
        ("POST", "/gallery/videos"),
        ("GET", "/gallery/videos"),
        ("GET", "/gallery/videos/{item_id}"),
        ("PATCH", "/gallery/videos/{item_id}"),
        ("DELETE", "/gallery/videos/{item_id}"),
        ("GET", "/gallery/videos/{item_id}/media"),
        ("GET", "/gallery/videos/{item_id}/tracks"),
        ("POST", "/gallery/images"),
        ("GET", "/gallery/images"),
        ("GET", "/gallery/images/{item_id}"),
        ("PATCH", "/gallery/images/{item_id}"),
        ("DELETE", "/gallery/images/{item_id}"),
        ("GET", "/gallery/images/{item_id}/media"),
        ("GET", "/gallery/images/{item_id}/tracks"),
        ("GET", "/gallery/tracks/{track_id}"),
        ("GET", "/gallery/tracks/{track_id}/thumbnail"),
        ("POST", "/query/image"),
        ("POST", "/query/video"),
        ("POST", "/query/tracks/{track_id}"),
        ("GET", "/jobs"),
        ("GET", "/jobs/{job_id}"),
        ("POST", "/jobs/{job_id}/retry"),
        ("DELETE", "/jobs/{job_id}"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/version"),
    }
    text = json.dumps(document).lower()
    for word in ("footage", "feedback", "ttl_days", "rerank", "/admin"):
        assert word not in text, word


async def test_forms_problems_and_keys_are_documented(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    upload = document["paths"]["/gallery/videos"]["post"]
    form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(form["properties"]) == {"file", "camera_id", "captured_at", "content", "tags"}
    assert form["required"] == ["file"]
    assert {"201", "202", "default"} <= set(upload["responses"])
    assert "Scope: ingest" in upload["description"]
    query = document["paths"]["/query/image"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    names = {"file", "k", "target", "camera_id", "from", "to", "tags", "min_score", "min_version", "box"}
    assert set(query["properties"]) == names
    listed = {parameter["name"] for parameter in document["paths"]["/gallery/videos"]["get"]["parameters"]}
    assert listed == {"limit", "cursor", "camera_id", "from", "to", "status", "tags"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            problem = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/Problem"}
            assert ("security" in operation) == bool(POLICIES[method.upper(), path].scopes)
    assert "HTTPValidationError" not in document["components"]["schemas"]


async def test_every_reference_of_the_document_leads_somewhere(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in document["components"]["schemas"], name
    assert "$defs" not in text
