"""Run every call with the `carto` that is installed, and print what was recorded, as JSON.

The tests run it with ours. What carto-python 1.11.3 does was recorded once; when the calls or the fake server change,
it is to be recorded again, in the environment that `make bench` makes::

    .venv-carto-python/bin/python tests/compat/record_requests.py > tests/compat/requests_of_carto_python.json
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from calls import CALLS, Call
from fake_server import FakeServer
from recorder import RecordingAdapter, record


def main() -> None:
    """Record all calls, in an empty folder, since some of carto-python's leave files."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        alone = {name: _in_a_child(call) for name, call in CALLS.items() if call.alone}
        recorded = {name: alone.get(name) or _recorded(call) for name, call in CALLS.items()}
        os.chdir("/")
    print("{", ",\n\n".join(_written(name, call) for name, call in recorded.items()), "}", sep="\n")


def _recorded(call: Call) -> dict[str, Any]:
    return record(call.run, RecordingAdapter(FakeServer(call.answers).answer))


def _written(name: str, call: dict[str, Any]) -> str:
    """Write a call as JSON: a line for each of its requests, and one for all else."""
    *requests, rest = [json.dumps(each, ensure_ascii=False) for each in [
        *call["requests"], {key: value for key, value in call.items() if key != "requests"}]]
    sent = ",".join(f"\n    {request}" for request in requests)
    return f'{json.dumps(name)}: {{\n  "requests": [{sent}],\n  {rest[1:]}'


def _in_a_child(call: Call) -> Any:
    """Record a call in a process of its own."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            os.write(writer, json.dumps(_recorded(call)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        found = json.load(answer)
    os.wait()
    return found


if __name__ == "__main__":
    main()
