"""HTTP as the server reads it; only what is no HTTP at all is answered here, before there is a request."""

import secrets

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.api.handlers import problem_response
from service.errors import Problem


class ProblemProtocol(HttpToolsProtocol):
    """Answers what cannot be parsed as a problem, like every other error."""

    def send_400_response(self, msg: str) -> None:
        detail = "these bytes are no HTTP/1.1 request: use an HTTP client, and http:// where there is no TLS in front"
        request_id = secrets.token_hex(8)
        response = problem_response(Problem(400, "malformed_request", detail), request_id)
        headers = [
            *response.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in headers), b"", b""]
        self.transport.write(b"\r\n".join(lines) + bytes(response.body))
        self.transport.close()
