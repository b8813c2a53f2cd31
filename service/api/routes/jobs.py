"""Work: look at it, repeat it, call it off."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from service.api import models
from service.api.answers import Json
from service.api.erasing import erase_files
from service.api.identity import JobId
from service.api.listing import JobFilter, read_query
from service.api.openapi import query_parameters
from service.api.parts import PartsOf, RecordsOf
from service.api.shapes import show_job
from service.api.waiting import Wait

router = APIRouter(tags=["jobs"])


@router.get("/jobs", responses={200: {"model": models.Jobs}}, openapi_extra=query_parameters(JobFilter))
async def list_jobs(request: Request, records: RecordsOf) -> Response:
    """Jobs in one state: the dead ones unless another is asked for."""
    asked = read_query(JobFilter, request)
    jobs, cursor = await records.jobs.page(state=asked.status, cursor=asked.cursor, limit=asked.limit)
    return Json({"items": [show_job(job) for job in jobs], "next_cursor": cursor})


@router.get("/jobs/{job_id}", responses={200: {"model": models.Job}})
async def get_job(request: Request, parts: PartsOf, records: RecordsOf, job_id: JobId, wait: Wait = 0.0) -> Response:
    """A job as it stands, or, with `wait`, once it has ended."""
    return Json(show_job(await parts.waiter.job(request, records, job_id, wait)))


@router.post("/jobs/{job_id}/retry", responses={200: {"model": models.Job}})
async def retry_job(records: RecordsOf, job_id: JobId) -> Response:
    """Queue a dead job again, with all its attempts."""
    return Json(show_job(await records.jobs.retry(job_id)))


@router.delete("/jobs/{job_id}", responses={200: {"model": models.Job}})
async def cancel_job(parts: PartsOf, records: RecordsOf, job_id: JobId) -> Response:
    """Call off a job that has not ended well and erase its item; the answer is the job of that erasure."""
    job = await records.jobs.cancel(job_id)
    if job.kind == "erase":
        job = await erase_files(parts.media, records, job)
    return Json(show_job(job), headers={"Location": f"/jobs/{job.id}"})
