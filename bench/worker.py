"""One contender's process: takes work as lines of JSON, answers with measurements.

Started by path, in the contender's environment. Only the folder of this file can be imported as `bench`: the
project around it cannot, so that another environment's carto is not taken from here by accident.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).resolve().parent
_MEMORY_STATUS = Path("/proc/self/status")


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _make_bench_importable()
    prepared: dict[str, Any] = {}
    for line in sys.stdin:
        _say(answers, _answer(json.loads(line), prepared))


def _make_bench_importable() -> None:
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() not in (HERE, HERE.parent)]
    spec = importlib.util.spec_from_file_location("bench", HERE / "__init__.py", submodule_search_locations=[str(HERE)])
    assert spec is not None
    sys.modules["bench"] = importlib.util.module_from_spec(spec)


def _answer(question: dict[str, Any], prepared: dict[str, Any]) -> dict[str, Any]:
    try:
        if "versions" in question:
            return {name: _version(name) for name in question["versions"]}
        key = json.dumps(question)
        if key not in prepared:
            prepared[key] = _prepare(question)
        return _measure(prepared[key])
    except Exception:  # noqa: BLE001 -- whatever a contender raises, the others go on
        return {"error": traceback.format_exc()}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _prepare(question: dict[str, Any]) -> Any:
    from bench.model import Work

    module, _, name = question["task"].partition(":")
    return getattr(importlib.import_module(module), name)(Work(**question["work"]))


def _measure(run: Any) -> dict[str, Any]:
    from bench.model import Sample

    _forget_garbage()
    before = _reset_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = max(_peak() - before, 0)
    sample = result if isinstance(result, Sample) else Sample(wall, cpu, peak, result)
    return vars(sample)


def _forget_garbage() -> None:
    """Give freed memory back, so that what the next run takes is seen again."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _reset_peak() -> int:
    """Forget the peak so far, where the system can; give the memory taken now, in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak()
    return _status("VmRSS")


def _peak() -> int:
    if _MEMORY_STATUS.exists():
        return _status("VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(name: str) -> int:
    line = next(line for line in _MEMORY_STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
