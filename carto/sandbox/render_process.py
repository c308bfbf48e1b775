"""The server's end of a worker process that draws pictures: starting, asking, killing, starting anew."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

_START = "import sys; sys.path[:] = sys.argv[1:]; from carto.sandbox.render_worker import main; main()"
"""The worker imports what this process would, wherever that comes from."""


class RenderProcess:
    """One worker, which runs from its first job on until it dies or `stop`; the next job starts another."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def run(self, job: Mapping[str, Any], files: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
        """Have a job done.

        A job that is cancelled takes its process with it: there is no other way to interrupt Mapnik.

        Args:
            job: What to do, as `carto.sandbox.render_worker` takes it.
            files: Images that the job uses.

        Returns:
            The worker's answer and its picture, empty when the answer is an error.

        Raises:
            EOFError: The process died.
        """
        process = await self._started()
        finished = False
        try:
            answer = await _ask(process, job, files)
            finished = True
            return answer
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError(f"A render process ended with status {await process.wait()}") from error
        finally:
            if not finished:
                await self.stop()

    async def stop(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _started(self) -> Process:
        if self._process is not None and self._process.returncode is not None:
            self._process = None
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", _START, *sys.path, stdin=PIPE, stdout=PIPE
            )
        return self._process


async def _ask(process: Process, job: Mapping[str, Any], files: Sequence[bytes]) -> tuple[dict[str, Any], bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    header = json.dumps({**job, "sizes": [len(file) for file in files]})
    process.stdin.write(header.encode() + b"\n")
    for file in files:
        process.stdin.write(file)
        await process.stdin.drain()
    await process.stdin.drain()
    answer: dict[str, Any] = json.loads(await process.stdout.readuntil(b"\n"))
    return answer, await process.stdout.readexactly(answer["size"])
