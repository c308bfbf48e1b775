"""Keep a sandbox's temporary directory and PostgreSQL server, and remove both when the supervisor ends.

Run as a script, in a process and a session of its own: whatever happens to the supervisor, even kill -9,
this one sees the end of its standard input, stops PostgreSQL and deletes the directory. It is therefore the only
place that cleans up. It uses the standard library alone, so that it starts fast and hardly takes memory.

The only argument is JSON: `directory` to delete at the end, `commands` to run one after the other (the last
one is the server), `run_as` arguments of Popen that change the user, `pass_fds` which the commands inherit,
`stop_signal` which ends a command.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

STOP_TIMEOUT_S = 20.0


def main() -> int:
    """Run the commands until the last one or the supervisor ends; then delete the directory."""
    plan = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ignore)  # a handler, since SIG_IGN would be inherited by the commands
    child_ended = _pipe_written_when_a_child_ends()
    try:
        return _run_all(plan, child_ended)
    finally:
        shutil.rmtree(plan["directory"], ignore_errors=True)


def _run_all(plan: dict[str, Any], child_ended: int) -> int:
    for command in plan["commands"]:
        process = _start(command, plan)
        if not _ended_before_supervisor(process, child_ended):
            _stop(process, signal.Signals(plan["stop_signal"]))
            return 0
        if process.returncode != 0:
            return 1
    select.select([0], [], [])
    return 0


def _pipe_written_when_a_child_ends() -> int:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.signal(signal.SIGCHLD, _ignore)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    return read_end


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing about a signal."""


def _start(command: list[str], plan: dict[str, Any]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 -- the supervisor's commands
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        cwd="/",
        pass_fds=plan["pass_fds"],
        start_new_session=True,
        **plan["run_as"],
    )


def _ended_before_supervisor(process: subprocess.Popen[bytes], child_ended: int) -> bool:
    while process.poll() is None:
        readable, _, _ = select.select([0, child_ended], [], [])
        if 0 in readable:
            return False
        os.read(child_ended, 512)
    return True


def _stop(process: subprocess.Popen[bytes], first: signal.Signals) -> None:
    for number in (first, signal.SIGQUIT):
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
            return
        except subprocess.TimeoutExpired:
            continue
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    sys.exit(main())
