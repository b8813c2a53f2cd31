"""Jobs: what became of a request that takes longer than an answer."""

from redis.asyncio import Redis

from index.errors import JobNotRetryable, NotFound
from index.records.connection import BytesRedis, answered
from index.records.erase import Erasure
from index.records.job import JOB_STATES, Job, JobState, job_of
from index.records.keys import Keys
from index.records.scripting import Scripts


class Jobs:
    """The jobs of one space."""

    def __init__(self, redis: Redis, space_id: str) -> None:
        self._redis: BytesRedis = redis
        self._keys = Keys(space_id)
        self._scripts = Scripts(redis, self._keys)
        self._erasure = Erasure(redis, space_id)

    async def get(self, job_id: str) -> Job:
        """Raises NotFound: there is no such job, or it ended more than seven days ago."""
        with answered():
            job = job_of(job_id, await self._redis.hgetall(self._keys.of("JOB", job_id)))
        if job is None:
            raise NotFound("job", job_id)
        return job

    async def page(
        self, state: JobState | None = None, *, cursor: str | None = None, limit: int = 100
    ) -> tuple[list[Job], str | None]:
        """Jobs in a state (or in any), newest first, and the cursor of the next page; None after the last."""
        states = JOB_STATES if state is None else (state,)
        top = f"({cursor}" if cursor else "+"
        ids: set[str] = set()
        for each in states:
            with answered():
                found = await self._redis.zrevrangebylex(self._keys.of("JOBS", each), top, "-", start=0, num=limit)
            ids |= {job_id.decode() for job_id in found}
        wanted = sorted(ids, reverse=True)[:limit]
        jobs = await self._many(wanted, states)
        return jobs, wanted[-1] if len(wanted) == limit else None

    async def _many(self, ids: list[str], states: tuple[JobState, ...]) -> list[Job]:
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hgetall(self._keys.of("JOB", job_id))
        with answered():
            found = [job_of(job_id, row) for job_id, row in zip(ids, await pipeline.execute(), strict=True)]
            gone = [job_id for job_id, job in zip(ids, found, strict=True) if job is None]
            if gone:  # their records expired
                for state in states:
                    await self._redis.zrem(self._keys.of("JOBS", state), *gone)
        return [job for job in found if job is not None]

    async def retry(self, job_id: str) -> Job:
        """Queue a dead job again, its attempts back to none.

        Raises:
            NotFound: there is no such job.
            JobNotRetryable: it is not dead, or what it failed on cannot be tried again.
        """
        state = await self._scripts.run_durably("retry", job_id)
        if state is None:
            raise NotFound("job", job_id)
        if state == b"erased":
            raise JobNotRetryable(f"job {job_id} failed on its media, which were erased: upload a sound file instead")
        if state != b"dead":
            raise JobNotRetryable(f"job {job_id} is {state.decode()}, and only a dead ingest job can be retried")
        return await self.get(job_id)

    async def cancel(self, job_id: str) -> Job:
        """End an ingest job that is not done, and erase its item; the job of that erasure.

        Raises:
            NotFound: there is no such job.
            JobNotRetryable: it is done or an erasure: erase the item instead.
        """
        job = await self.get(job_id)
        if job.kind != "ingest" or job.state == "done":
            raise JobNotRetryable(
                f"job {job_id} ({job.kind}) is {job.state} and cannot be cancelled: erase its item instead"
            )
        if job.state == "cancelled":
            return job
        return await self._erasure.erase_item(job.item_id, job.item_kind)
