"""The process of one import, or of one download.

Standard input: one line of JSON (the task), then silence; its end means stop. Standard output: lines of JSON, such as
``{"state": "unpacking"}``, the last of which is ``{"result": ...}`` or ``{"failed": code, ...}``. Standard error: the
log. `carto.sandbox.importer` is at the other end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

from carto.sandbox.import_errors import UNKNOWN, ImportFailed

Task = dict[str, Any]


def main() -> int:
    """Do the task and say what came of it."""
    with open(0, "rb", buffering=0, closefd=False) as standard_input:
        task = json.loads(standard_input.readline())
    pipe = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed goes into the log
    threading.Thread(target=_stop_with_server, daemon=True).start()
    warnings.simplefilter("ignore")

    def report(message: Task) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    try:
        report({"result": _fetch(task) if task["do"] == "fetch" else asyncio.run(_load(task, report))})
    except ImportFailed as failure:
        report({"failed": failure.code, "detail": failure.detail, "http_status": failure.http_status})
    except ImportError as error:
        report({"failed": 1, "detail": str(error), "http_status": None})
    except Exception:  # noqa: BLE001 -- the log has it, the user gets a code
        traceback.print_exc()
        report({"failed": UNKNOWN, "detail": "", "http_status": None})
    return 0


def _stop_with_server() -> None:
    """End at once when the server closes the pipe or ends; PostgreSQL then rolls back."""
    os.read(0, 1)
    os._exit(1)


def _fetch(task: Task) -> Any:
    from carto.sandbox.importing.fetching import Wanted, fetch

    return fetch(Wanted(**task["wanted"]), Path(task["target"]))


async def _load(task: Task, report: Any) -> Any:
    from carto.sandbox.importing.session import Session

    return await Session(task, report).run()


if __name__ == "__main__":
    sys.exit(main())
