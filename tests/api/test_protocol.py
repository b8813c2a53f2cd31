"""What comes before there is a request."""

import asyncio

import httpx
import orjson
import pytest

from tests.api.conftest import Api

NOT_HTTP = {
    "no request": b"nonsense\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "a header that is none": b"GET /healthz HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
    "two lengths": b"POST /jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
}


@pytest.mark.parametrize("sent", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_no_http_is_answered_with_a_problem(api: Api, sent: bytes) -> None:
    # Bug: the server's own answer was plain text, the only error without a code.
    url = httpx.URL(api.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(sent)
    answer = await reader.read()  # until the server closes the connection
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    problem = orjson.loads(body)
    assert status == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/problem+json"
    assert int(headers["content-length"]) == len(body)
    assert headers["connection"] == "close"
    assert (problem["status"], problem["code"]) == (400, "malformed_request")
    assert problem["request_id"] == headers["x-request-id"]
    assert "http://" in problem["detail"]
