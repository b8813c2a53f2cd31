"""How pools end: closed at any moment, or with their parent; nothing of them is left."""

import asyncio
import gc
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.decode import process
from service.decode.errors import DecoderUnavailable
from service.decode.pool import DecoderPool
from service.decode.wire import PREFIX
from tests.decode.pools import hanging, started
from tests.decode.samples import LIMITS

ROOT = Path(__file__).parents[2]


def test_closing_answers_everybody(run: Callable[..., None], picture: Path) -> None:
    async def scenario() -> None:
        async with started() as pool:
            at_work = await hanging(pool, picture)
            waiting = [asyncio.create_task(pool.probe(picture)) for _ in range(3)]
            await asyncio.sleep(0)
            await pool.close()
            for error in await asyncio.gather(at_work, *waiting, return_exceptions=True):
                assert isinstance(error, DecoderUnavailable) and error.status == 503
            with pytest.raises(DecoderUnavailable):
                await pool.probe(picture)

    run(scenario())


def test_a_pool_may_be_closed_while_it_starts(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        before = psutil.Process().children()  # other tests' pools
        pool = DecoderPool(LIMITS, children=2)
        await pool.start()
        await asyncio.sleep(0)
        await pool.close()
        assert psutil.Process().children() == before

    run(scenario())


# A child that is up within a millisecond, so that closing can be tried at every turn of the loop until it is.
PROMPT = f"printf '{''.join(f'{chr(92)}{byte:03o}' for byte in PREFIX.pack(14, 0))}{{\"ready\":true}}'; exec cat"


@pytest.mark.parametrize("cancelled_after", [None, 1, 2, 3], ids=lambda turns: f"cancelled after {turns}")
def test_a_pool_may_be_closed_at_every_turn_of_its_start(
    run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, cancelled_after: int | None
) -> None:
    # Bugs: a `close` that was cancelled, as a test's worker does again and again, left children that were starting
    # behind, or hung with the loop; `ready` started a new child in a closed pool; and who waited was cancelled too.
    monkeypatch.setattr(process, "_command", lambda limits: ["/bin/sh", "-c", PROMPT])
    before = psutil.Process().children()  # other tests' pools

    async def close_after(turns: int) -> None:
        pool = DecoderPool(LIMITS, children=1)
        await pool.start()
        waiting = [asyncio.create_task(pool.ready())]
        await turn(turns)
        waiting.append(asyncio.create_task(pool.ready()))
        closing = asyncio.create_task(pool.close())
        if cancelled_after is not None:
            await turn(cancelled_after)
            closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert psutil.Process().children() == before
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            assert answer is None or isinstance(answer, DecoderUnavailable)

    async def scenario() -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        for turns in range(25):
            await close_after(turns)
        gc.collect()  # exceptions nobody looked at are told now
        assert faults == []

    run(scenario())


async def turn(times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


@pytest.mark.parametrize("state", ["idle", "stopped in mid-request"])
def test_children_end_with_a_killed_parent(state: str, picture: Path) -> None:
    program = f"""
        import asyncio, os, signal, sys
        from pathlib import Path
        from service.decode.pool import DecoderPool
        from tests.decode.samples import LIMITS, SAMPLING

        async def main():
            pool = DecoderPool(LIMITS, children=2)
            await pool.start()
            await pool.ready()
            if {state != "idle"}:
                for pid in pool.pids:
                    os.kill(pid, signal.SIGSTOP)
                tasks = [asyncio.create_task(pool.crops(Path({str(picture)!r}), SAMPLING)) for _ in range(2)]
                while pool.n_busy < 2:
                    await asyncio.sleep(0)
            print(*pool.pids, flush=True)
            await asyncio.Event().wait()

        asyncio.run(main())
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, cwd=ROOT)
    with parent:
        assert parent.stdout is not None
        children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        parent.kill()
    assert len(children) == 2
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]
