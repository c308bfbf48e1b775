"""The sandbox answers as the real SQL API did, whatever users, tables and constants are called."""

from __future__ import annotations

import pytest

from tests.wire.conformance import RENAMES, replay_in_sandbox
from tests.wire.replay import GROUPS


@pytest.mark.parametrize("renames", [{}, RENAMES], ids=["as recorded", "renamed"])
def test_answers_are_those_of_the_recording(renames: dict[str, str]) -> None:
    report = replay_in_sandbox(renames)
    print(report.text())
    assert report.matched()[1] == 441
    assert all(report.matched([group])[1] for group in GROUPS)
    assert not report.shortfalls()
