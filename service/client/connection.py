"""One HTTP connection to the service: files streamed from disk, refusals raised, busy answers tried again."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception

from service.client.errors import VillsError

File = str | Path | bytes | BinaryIO
Fields = Mapping[str, Any]

LONGEST_PAUSE_S = 10.0
FIRST_PAUSE_S = 0.2
RECONNECTS = 4


class Connection:
    """Sends requests and raises `VillsError` for every answer outside 2xx.

    429 and 503 are tried again after the `Retry-After` they carry, until `retry_for_s` seconds have passed since the
    first try; broken connections a few times, after a growing pause. Files are opened anew for each try.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float,
        retry_for_s: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s, transport=transport)
        self._timeout_s = timeout_s
        self._retry_for_s = retry_for_s

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        fields: Fields | None = None,
        files: Iterable[File] = (),
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        server_wait_s: float = 0.0,
        again: bool = True,
        accept: tuple[int, ...] = (),
    ) -> httpx.Response:
        """The response, 2xx or one of `accept`.

        `again` says whether the same call may be sent twice. `server_wait_s` is how long the service was asked to
        hold the answer back, added to the read timeout.

        Raises:
            VillsError: any other answer, or none.
        """
        sources = list(files)

        def once() -> httpx.Response:
            with ExitStack() as stack:
                parts = [("file", _part(source, stack)) for source in sources]
                response = self._http.request(
                    method,
                    path,
                    params=dict(params or {}),
                    data=fields,
                    files=parts or None,
                    json=json,
                    headers=headers,
                    timeout=httpx.Timeout(self._timeout_s, read=self._timeout_s + server_wait_s),
                )
            if response.is_success or response.status_code in accept:
                return response
            raise VillsError.from_response(response)

        return self._translated(once, again)

    def _translated(self, once: Callable[[], httpx.Response], again: bool) -> httpx.Response:
        retrying = Retrying(
            retry=retry_if_exception(_may_be_tried_again if again else _was_not_begun),
            wait=_pause,
            stop=self._enough,
            reraise=True,
        )
        try:
            return retrying(once)
        except httpx.TransportError as error:
            raise VillsError(
                "unreachable",
                0,
                f"{self._http.base_url} gave no answer ({type(error).__name__}: {error}): is it running there?",
            ) from error

    def _enough(self, state: RetryCallState) -> bool:
        """Busy answers count by time, lost connections by number: an upload may take long before it is cut off."""
        busy = isinstance(_error(state), VillsError)
        over = state.seconds_since_start or 0.0
        return over + state.upcoming_sleep >= self._retry_for_s or (not busy and state.attempt_number > RECONNECTS)


def _part(source: File, stack: ExitStack) -> tuple[str, BinaryIO | bytes]:
    """Name and content of one file of a multipart body, streamed when it lies on disk."""
    if isinstance(source, bytes):
        return "upload", source
    if isinstance(source, str | Path):
        return Path(source).name, stack.enter_context(Path(source).open("rb"))
    return Path(str(getattr(source, "name", "upload"))).name, source


def _was_not_begun(error: BaseException) -> bool:
    """The service refused before any work, or was never reached: sending again cannot do anything twice."""
    if isinstance(error, VillsError):
        return error.status in (429, 503) and error.retry_after_s is not None
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)


def _may_be_tried_again(error: BaseException) -> bool:
    lost = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
    return lost or _was_not_begun(error)


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _pause(state: RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_after_s if isinstance(error, VillsError) else None
    growing = FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1)
    return min(LONGEST_PAUSE_S, growing if asked is None else asked)
