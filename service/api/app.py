"""The app out of its parts: routers, and the middleware as one visible list."""

from collections.abc import Iterator
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from service.api.handlers import pass_on
from service.api.middleware.access import Access
from service.api.middleware.admission import Admission
from service.api.middleware.errors import Errors
from service.api.middleware.request_id import RequestId
from service.api.middleware.unread_body import UnreadBody
from service.api.openapi import document
from service.api.parts import Parts
from service.api.policy import POLICIES, PolicyTable, check_complete
from service.api.routes import gallery, jobs, media, query, service
from service.metrics import build_version

# The router looks through them in this order, so what is asked most comes first.
ROUTERS: Final = (query.router, gallery.router, media.router, jobs.router, service.router)


def create_app(parts: Parts) -> FastAPI:
    """The app. Everything it needs is in `parts`, alive already.

    Raises:
        RuntimeError: a route has no policy.
    """
    app = FastAPI(
        title="VILLS person re-identification retrieval",
        version=build_version(),
        docs_url=None,  # the framework's page loads scripts from elsewhere; ours is in `routes.service`
        redoc_url=None,
        redirect_slashes=False,  # a redirect comes without a problem's body, and clients drop the upload on the way
        exception_handlers={HTTPException: pass_on, RequestValidationError: pass_on},
        # From the outside in.
        middleware=[
            Middleware(RequestId),
            Middleware(UnreadBody),
            Middleware(Access, metrics=parts.metrics, policies=PolicyTable(POLICIES)),
            Middleware(Errors, metrics=parts.metrics),
            Middleware(Admission, keyring=parts.keyring, slots=parts.slots),
        ],
    )
    for router in ROUTERS:
        app.include_router(router)
    app.state.parts = parts
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    check_complete(_routes())
    return app


def _routes() -> Iterator[tuple[str, str]]:
    """(method, template) of every route there is."""
    yield "GET", "/openapi.json"
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, Route)
            yield from ((method, route.path) for method in route.methods or ())
