"""The sandbox's server process: its pipes, its signals, and how it says what went wrong.

Started by `carto.sandbox.Sandbox`. Standard input: one line of JSON (the options), then silence; its end means
stop. Standard output: one line of JSON, saying where the server is or why there is none. Standard error: the log.
The work itself is in `carto.sandbox.service`, imported late because its packages may be missing.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any, NoReturn

from carto.sandbox import SandboxError, SandboxRequirementError

STOP_TIMEOUT_S = 15.0


def main() -> int:
    """Serve until told to stop; report failures to whoever started this process."""
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        options = json.loads(standard_input.readline())
    pipe = _take_standard_output()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    threading.Thread(target=_stop_with_parent, args=(os.getppid(),), daemon=True).start()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if options["verbose"] else logging.WARNING)

    def report(answer: Mapping[str, Any]) -> None:
        os.write(pipe, json.dumps(answer).encode() + b"\n")

    try:
        from carto.sandbox import service

        service.run(options, pipe, report)
    except ImportError as error:
        if (error.name or "").startswith("carto"):
            raise
        report({"missing": _missing_package(error)})
        return 1
    except SandboxRequirementError as error:
        report({"missing": str(error)})
        return 1
    except (SandboxError, OSError) as error:
        report({"error": str(error)})
        return 1
    return 0


def _take_standard_output() -> int:
    """Keep the pipe to our parent for ourselves: whatever else is printed goes into the log."""
    pipe = os.dup(1)
    os.dup2(2, 1)
    return pipe


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _stop_with_parent(parent: int) -> None:
    """Wait for the end of standard input or of our parent, whose forked children may hold the pipe open."""
    while os.getppid() == parent and not select.select([0], [], [], 1.0)[0]:
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_TIMEOUT_S)
    os._exit(1)


def _missing_package(error: ImportError) -> str:
    return (
        f"The sandbox needs a Python package that cannot be imported here: {error}. "
        "Install the extra: pip install '.[sandbox]' in a clone of the repository"
    )
