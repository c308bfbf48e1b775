"""The sandbox answers as the real SQL API did, whatever users, tables and constants are called, and the Maps API."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from carto.sandbox import SandboxRequirementError
from tests.wire.conformance import RENAMES, replay_in_sandbox, replay_maps_in_sandbox
from tests.wire.maps_replay import MAP_GROUPS, MapsReport
from tests.wire.replay import GROUPS, Report

MAPS = "Maps API"
RUNS: dict[str, dict[str, str]] = {"as recorded": {}, "renamed": RENAMES}
DIFFERENCES = Path(__file__).parents[2] / "doc" / "source" / "differences.md"
#: A machine may have the recording's PostgreSQL, and the number in the message is another one at each attempt.
MAY_MATCH = {"pg_version", "quota_exceeded_cartodbfied"}


def documented(heading: str) -> set[str]:
    """Read the exchanges that are said not to match: the first column of the table below a heading."""
    section = DIFFERENCES.read_text(encoding="utf-8").partition(f"## {heading}\n")[2]
    table = section.partition("| exchange |")[2].partition("\n\n")[0]
    return {name for row in table.splitlines() for name in re.findall("`([^`]+)`", row.partition(" | ")[0])}


@pytest.fixture(scope="module")
def replays() -> Iterator[dict[str, Future[Report]]]:
    """Replay in several sandboxes at once: most of the time goes by waiting."""
    with ThreadPoolExecutor(len(RUNS) + 1) as executor:
        runs: dict[str, Future[Report]] = {
            title: executor.submit(replay_in_sandbox, renames) for title, renames in RUNS.items()
        }
        yield {**runs, MAPS: executor.submit(replay_maps_in_sandbox)}


@pytest.mark.parametrize("title", RUNS)
def test_answers_are_those_of_the_recording(replays: dict[str, Future[Report]], title: str) -> None:
    try:
        report = replays[title].result()
    except SandboxRequirementError as missing:
        pytest.skip(f"the sandbox cannot run here: {missing}")
    print(report.text())
    assert report.matched()[1] == 441
    assert all(report.matched([group])[1] for group in GROUPS)
    differing = documented("Answers that do not match the recording")
    assert differing - MAY_MATCH <= report.differing.keys() <= differing
    assert not report.shortfalls()


def test_maps_are_those_of_the_recording(replays: dict[str, Future[Report]]) -> None:
    try:
        report = replays[MAPS].result()
    except SandboxRequirementError as missing:
        pytest.skip(f"the sandbox cannot run here: {missing}")
    assert isinstance(report, MapsReport)
    print(report.text())
    assert report.matched()[1] + len(report.left_out) == 639
    assert report.matched(MAP_GROUPS)[1] >= 490
    assert all(report.matched([group])[1] for group in MAP_GROUPS)
    assert report.differing.keys() == documented("Maps")
    assert not report.shortfalls()
