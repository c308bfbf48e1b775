"""Importing the package, each time in a new process."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.model import OLD, OURS, Contender, Reach, Row, Sample, Work
from bench.stage import Stage

CODE = """
import importlib, json, resource, sys, time
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
memory, cpu, wall = peak(), time.process_time(), time.perf_counter()
for name in sys.argv[1:]:
    importlib.import_module(name)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak() - memory}))
"""
#: Not for use in a client's process.
_APART = ("sandbox", "__main__")


def requests_alone(work: Work) -> Callable[[], Sample]:
    return lambda: _import(["requests"])


def carto_sql(work: Work) -> Callable[[], Sample]:
    return lambda: _import(["carto.sql"])


def carto_whole(work: Work) -> Callable[[], Sample]:
    modules = _modules_of_carto()
    return lambda: _import(modules)


def _import(modules: list[str]) -> Sample:
    command = [sys.executable, "-I", "-W", "ignore", "-c", CODE, *modules]
    return Sample(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _modules_of_carto() -> list[str]:
    spec = importlib.util.find_spec("carto")
    assert spec is not None
    folder = Path(next(iter(spec.submodule_search_locations or [])))
    paths = [path.relative_to(folder).with_suffix("").parts for path in sorted(folder.rglob("*.py"))]
    return [".".join(("carto", *parts)).removesuffix(".__init__") for parts in paths
            if not set(parts).intersection(_APART)]


def _work(stage: Stage, size: int) -> Work:
    return Work(size)


def _contenders(task: Callable[[Work], Callable[[], Sample]]) -> tuple[Contender, ...]:
    return Contender("import requests", requests_alone), Contender(OURS, task), Contender(OLD, task)


ROWS = [
    Row("import-sql", "import carto.sql", "import", 1, _work, _contenders(carto_sql),
        (Reach(1.15, "import requests"),), grows=False),
    Row("import-all", "import of every module", "import", 1, _work, _contenders(carto_whole),
        (Reach(1.4, "import requests"),), grows=False),
]
