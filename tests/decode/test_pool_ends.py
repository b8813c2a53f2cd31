"""How pools end: closed at any moment, or with their parent; nothing of them is left."""

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from service.decode.errors import DecoderUnavailable
from service.decode.pool import DecoderPool
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
