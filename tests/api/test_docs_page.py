"""`/docs`: whole without the internet."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from service.api.docs_page import docs_page
from service.api.policy import POLICIES
from tests.api.conftest import Api


class Elements(HTMLParser):
    """Elements by name, and every address the page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.addresses: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.addresses |= {value or "" for name, value in attrs if name in {"src", "href", "action", "srcset"}}
        if tag not in {"meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_loads_nothing_from_anywhere(api: Api) -> None:
    # Bug: the page took its scripts and styles from a CDN, so it was empty where there is no internet.
    answer = await api.http.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    elements = Elements(answer.text)
    assert elements.open == []
    assert not elements.names & {"script", "link", "img", "iframe", "form"}
    assert elements.addresses == {"openapi.json"}
    assert not re.search(r"https?://|@import|url\(", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "http" not in policy
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy


async def test_the_page_shows_every_route_with_its_fields_and_answers(api: Api) -> None:
    page = (await api.http.get("/docs")).text
    shown = {(method, path) for method, path in re.findall(r"<code><b>(\w+)</b> ([^<]+)</code>", page)}
    assert shown == set(POLICIES) - {("GET", "/docs"), ("GET", "/openapi.json")}
    by_route = {part.split("</b> ")[1].split("<")[0]: part for part in page.split("<details>")[1:]}
    query = by_route["/query/image"]
    assert "Find the person of a picture" in query and "Scope: query." in query
    assert "curl -H &quot;Authorization: Bearer $KEY&quot; -F file=@FILE &quot;$VILLS/query/image&quot;" in query
    assert "<td>integer from 1 to 1000 (default 10)</td><td>most hits to answer with</td>" in query
    assert "<td>body, required</td><td>binary, at most 16 times</td>" in query
    assert "Answer {query_id, " in query and "Problem {" in query
    assert "videos | images | all (default all)" in query
    assert "<td>path, required</td>" in by_route["/jobs/{job_id}"]
    assert "curl &quot;$VILLS/healthz&quot;" in by_route["/healthz"]


def test_what_the_document_says_is_text() -> None:
    operation = {"tags": ["<i>"], "description": "<b>", "responses": {"200": {"description": "<u>"}}}
    document = {"info": {"title": "<script>", "version": "&"}, "paths": {"/<p>": {"get": operation}}}
    assert not Elements(docs_page(document)).names & {"script", "i", "u", "p>"}
