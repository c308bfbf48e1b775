"""Replays a recording of the SQL API against a server and compares every answer: the conformance test.

    python -m tests.wire.replay TRANSCRIPT BASE_URL [--accounts FILE] [--datasets FILE]

The server must have the accounts of the recording. Before the replay their datasets are loaded as their owners.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from tests.wire.client import Answer, Client
from tests.wire.comparison import differences
from tests.wire.transcript import Exchange, read_transcript

HERE = Path(__file__).parent
GROUPS = ("auth", "select", "types", "insert", "update", "delete", "copyfrom", "copyto", "job", "rate")
GROUPS_SHARE = 0.98
TOTAL_SHARE = 0.92
STATUS_TIMEOUT_S = 20
POLL_EVERY_S = 0.05
JOB_START_PAUSE_S = 0.2  # the recording waited as well before it cancelled a job or looked whether it runs


@dataclass
class Report:
    """What a replay found.

    Attributes:
        compared: Names of the compared exchanges, by group.
        differing: Differences by the exchange's name.
    """

    compared: dict[str, list[str]] = field(default_factory=dict)
    differing: dict[str, list[str]] = field(default_factory=dict)

    required: ClassVar[tuple[tuple[float, tuple[str, ...] | None], ...]] = (
        (GROUPS_SHARE, GROUPS),
        (TOTAL_SHARE, None),
    )
    """Shares that have to match: of some groups, or of everything."""

    def matched(self, groups: Iterable[str] | None = None) -> tuple[int, int]:
        """Count the matching and the compared exchanges, of some groups or of all."""
        names = [n for group in groups or self.compared for n in self.compared.get(group, ())]
        return sum(name not in self.differing for name in names), len(names)

    def shortfalls(self) -> list[str]:
        """Say what is below the shares that have to match: of the groups that matter most, and of everything."""
        found = []
        for share, groups in self.required:
            matched, compared = self.matched(groups)
            if matched < share * compared or not compared:
                what = ", ".join(groups or ["all"])
                found.append(f"{matched} of {compared} match, less than {share:.0%}: {what}")
        return found

    def text(self) -> str:
        """Write the differences, then the counts per group."""
        lines = [f"{name}\n  {line}" for name, found in self.differing.items() for line in found]
        lines += [f"{group:12} {'{} / {}'.format(*self.matched([group])):>9}" for group in sorted(self.compared)]
        lines.append(f"{'all':12} {'{} / {}'.format(*self.matched()):>9}")
        return "\n".join(lines)


class Replay:
    """One run through a transcript."""

    def __init__(self, base_url: str) -> None:
        self._client = Client(base_url)
        self._job_ids: dict[str, str] = {}

    def run(self, exchanges: Iterable[Exchange]) -> Report:
        """Send every exchange that may be replayed, in order, and compare what has a recorded answer."""
        report = Report()
        retry_after = 0.0
        for exchange in exchanges:
            if not exchange.replay:
                continue
            if "after_retry_after" in exchange.name:
                time.sleep(retry_after)
            answer = self._answer(exchange)
            retry_after = float(answer.headers.get("Retry-After") or answer.headers.get("retry-after") or 0)
            if exchange.response is not None:
                report.compared.setdefault(exchange.group, []).append(exchange.name)
                if found := differences(exchange, answer):
                    report.differing[exchange.name] = found
        return report

    def load(self, user: str, master_key: str, sql: str) -> None:
        """Run SQL as an account's owner.

        Raises:
            RuntimeError: The server refused it.
        """
        body = urlencode({"q": sql, "api_key": master_key})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0"}
        request = {"method": "POST", "path": f"/user/{user}/api/v2/sql", "headers": headers, "body": body}
        answer = self._answer(Exchange("load", request, None, True))
        if answer.status != 200 or b'"error"' in answer.body:
            raise RuntimeError(f"The datasets of {user} could not be loaded: {answer}")

    def _answer(self, exchange: Exchange) -> Answer:
        """Send until the answer has the job status that the recording has."""
        wanted = _job_status(exchange)
        if _cancels_job(exchange) or (_reads_job(exchange) and exchange.response is None):
            time.sleep(JOB_START_PAUSE_S)
        deadline = time.monotonic() + STATUS_TIMEOUT_S
        while True:
            answer = self._send(exchange)
            if wanted is None or time.monotonic() > deadline or wanted == _status_in(answer.body):
                return answer
            time.sleep(POLL_EVERY_S)

    def _send(self, exchange: Exchange) -> Answer:
        path, body = exchange.request["path"], exchange.body()
        for name, job_id in self._job_ids.items():
            path = path.replace(f"{{job_id:{name}}}", job_id)
            body = body.replace(b"{job_id:%b}" % name.encode(), job_id.encode())
        answer = self._client.send(exchange, path, body)
        if answer.status == 201:
            self._job_ids[exchange.name] = json.loads(answer.body)["job_id"]
        for name, job_id in self._job_ids.items():
            answer.body = answer.body.replace(job_id.encode(), b"{job_id:%b}" % name.encode())
        return answer


def _job_status(exchange: Exchange) -> str | None:
    """The status to wait for, when the recording read a job."""
    body = (exchange.response or {}).get("body", "")
    return _status_in(body.encode()) if _reads_job(exchange) and body.startswith("{") else None


def _reads_job(exchange: Exchange) -> bool:
    return exchange.request["method"] == "GET" and "/sql/job/" in exchange.request["path"]


def _cancels_job(exchange: Exchange) -> bool:
    return exchange.request["method"] == "DELETE" and "{job_id:" in exchange.request["path"]


def _status_in(body: bytes) -> str | None:
    try:
        status: str | None = json.loads(body).get("status")
    except ValueError:
        return None
    return status


def load_datasets(replay: Replay, accounts: list[dict[str, Any]], sql: str) -> None:
    """Load the datasets into every account that has a database of its own."""
    for account in accounts:
        if account.get("can_log_in", True) and "database_url" not in account:
            master = next(key["token"] for key in account["keys"] if key["type"] == "master")
            replay.load(account["name"], master, sql)


def main() -> int:
    """Replay a transcript; 0 when nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire.replay", description=__doc__.splitlines()[0])
    parser.add_argument("transcript", type=Path)
    parser.add_argument("base_url", help="such as http://127.0.0.1:8080/")
    parser.add_argument("--accounts", type=Path, default=HERE / "accounts.json")
    parser.add_argument("--datasets", type=Path, default=HERE / "datasets.sql")
    options = parser.parse_args()
    replay = Replay(options.base_url)
    load_datasets(replay, json.loads(options.accounts.read_text())["accounts"], options.datasets.read_text())
    report = replay.run(read_transcript(options.transcript))
    print(report.text())
    return bool(report.differing)


if __name__ == "__main__":
    sys.exit(main())
