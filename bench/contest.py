"""Run a row: one process for each contender, rounds in changing order, every sample kept."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.model import Contender, Row, Sample, Work
from bench.rounds import order
from bench.stage import Stage

WORKER = Path(__file__).with_name("worker.py")
ANSWER_TIMEOUT_S = 180.0
GROWTH = 10


class WorkerFailed(Exception):
    """A contender could not do its work; the message says why."""


class Worker:
    """A process that measures one contender.

    Args:
        python: Interpreter of its environment.
        name: Its name in messages.
    """

    def __init__(self, python: Path, name: str) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [str(python), str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=WORKER.parent,
            env={**_clean_environment(), "PYTHONWARNINGS": "ignore"},
        )

    def versions(self, packages: list[str]) -> dict[str, str | None]:
        """Ask which versions of packages it has."""
        return self._ask({"versions": packages})

    def measure(self, contender: Contender, work: Work) -> Sample:
        """Let it do the work once.

        Raises:
            WorkerFailed: It raised, ended or took too long.
        """
        return Sample(**self._ask({"task": contender.address, "work": dataclasses.asdict(work)}))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = threading.Timer(ANSWER_TIMEOUT_S, self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
        if not line:
            raise WorkerFailed(f"{self._name} ended, or took longer than {ANSWER_TIMEOUT_S:g} s")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(f"{self._name} failed:\n{answer['error']}")
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._process, contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()


@dataclass
class Result:
    """The samples of a row.

    Attributes:
        row: The row.
        sizes: Amounts of work that were measured: all of it, and before it a tenth where the row grows.
        samples: By contender and size, one a round.
        peaks: Most memory taken in any round, in bytes, by contender and size.
        failures: By contender, what went wrong.
        done: By size, what the contenders counted, all of them the same.
    """

    row: Row
    sizes: list[int]
    samples: dict[str, dict[int, list[Sample]]] = field(default_factory=dict)
    peaks: dict[str, dict[int, int]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)

    def add(self, name: str, size: int, sample: Sample, keep: bool) -> None:
        """Take a sample, of a contender that did what the others did.

        Raises:
            WorkerFailed: It did more or less than they.
        """
        if sample.done is not None and self.done.setdefault(size, sample.done) != sample.done:
            raise WorkerFailed(f"{name} did {sample.done} where others did {self.done[size]}")
        if keep:
            peaks = self.peaks.setdefault(name, dict.fromkeys(self.sizes, 0))
            peaks[size] = max(peaks[size], sample.peak)
            self.samples.setdefault(name, {each: [] for each in self.sizes})[size].append(sample)

    def drop(self, name: str, failure: WorkerFailed) -> None:
        """Leave a contender out that failed."""
        self.failures[name] = str(failure)
        self.samples.pop(name, None)

    @property
    def size(self) -> int:
        """The whole amount of work."""
        return self.sizes[-1]

    def at_full_size(self, name: str) -> list[Sample]:
        """Give a contender's samples of the whole work."""
        return self.samples[name][self.size]


def run_row(row: Row, stage: Stage, environments: Mapping[str, Path], rounds: int, part: float = 1.0) -> Result:
    """Measure all contenders whose environment exists.

    Args:
        row: The row.
        stage: What they work against.
        environments: Interpreters by the name of the environment.
        rounds: How often each is measured.
        part: How much of the row's work is done.
    """
    size = max(round(row.size * part), 1)
    sizes = [max(size // GROWTH, 1), size] if row.grows and size > 1 else [size]
    works = {size: row.work(stage, size) for size in sizes}
    result = Result(row, sizes)
    with contextlib.ExitStack() as stack:
        running = {
            one.name: (one, stack.enter_context(Worker(environments[one.environment], one.name)))
            for one in row.contenders if one.environment in environments
        }
        for number in range(-1, rounds):
            for name in order(list(running), max(number, 0)):
                try:
                    _measure(*running[name], works, result, keep=number >= 0)
                except WorkerFailed as failure:
                    result.drop(name, failure)
                    del running[name]
    return result


def _measure(contender: Contender, worker: Worker, works: dict[int, Work], result: Result, keep: bool) -> None:
    """Do everything once; the first time, which fills caches and makes connections, is not kept."""
    for size, work in works.items():
        if work.output:
            Path(work.output).unlink(missing_ok=True)
        if result.row.before is not None:
            result.row.before(work)
        sample = worker.measure(contender, work)
        result.add(contender.name, size, sample, keep)


def _clean_environment() -> dict[str, str]:
    """Give our environment without what would lead Python or requests elsewhere."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("PYTHON") and not name.lower().endswith("_proxy")}


def main_environment() -> dict[str, Path]:
    """Give the environment that this process runs in."""
    return {"bench": Path(sys.executable)}
