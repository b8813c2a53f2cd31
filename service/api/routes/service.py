"""The service itself: does it live, can it answer, what does it count, what is it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from index.errors import NoSpace
from service.api import models
from service.api.answers import Json
from service.api.calibration import usual_min_score
from service.api.docs_page import POLICY, docs_page
from service.api.parts import PartsOf
from service.api.readiness import look
from service.api.scrape import scrape
from service.errors import Problem
from service.metrics import build_version

router = APIRouter(tags=["service"])


@router.get("/healthz", responses={200: {"model": models.Health}})
async def healthz() -> Response:
    """This process lives. Says nothing of anybody else."""
    return Json({"status": "alive"})


@router.get("/readyz", responses={200: {"model": models.Ready}})
async def readyz(parts: PartsOf) -> Response:
    """Whether queries can be answered; 503 with reasons while they cannot."""
    findings = await look(parts)
    if findings.reasons:
        raise Problem(503, "not_ready", "; ".join(findings.reasons), retry_after_s=1.0, **findings.body())
    return Json(findings.body())


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
async def metrics(parts: PartsOf) -> Response:
    """Samples of this process, of all live workers, and of the whole service, in Prometheus's text format."""
    return Response(await scrape(parts), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/version", responses={200: {"model": models.Version}})
async def version(parts: PartsOf) -> Response:
    """The build, the encoder behind it, and what its weights may be used for."""
    try:
        space = (await parts.active.get()).space
    except NoSpace:
        nothing = dict.fromkeys(models.Version.model_fields)
        return Json({**nothing, "version": build_version(), "warnings": ["no worker has registered an encoder yet"]})
    warnings = [] if space.trained else [f"{space.encoder} is untrained: its answers mean nothing"]
    if _research_only(space.licence) or _research_only(space.training_data):
        warnings.append(f"research only: the weights' licence is {space.licence}, trained on {space.training_data}")
    return Json(
        {
            "version": build_version(),
            "space": space.id,
            "encoder": space.encoder,
            "dimension": space.dimension,
            "fingerprint": space.fingerprint,
            "trained": space.trained,
            "status": "trained" if space.trained else "untrained",
            "licence": space.licence,
            "training_data": space.training_data,
            "min_score": usual_min_score(space),
            "warnings": warnings,
        }
    )


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The routes for people, on a page that loads nothing."""
    return HTMLResponse(docs_page(request.app.openapi()), headers={"Content-Security-Policy": POLICY})


def _research_only(text: str) -> bool:
    plain = text.lower()
    return any(word in plain for word in ("research", "non-commercial", "noncommercial", "academic"))
