"""Starts a sandbox with the accounts of the recording and replays it there, with other names if wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from carto.sandbox import Sandbox
from tests.wire.maps_replay import MapsReplay, MapsReport
from tests.wire.replay import Replay, Report, load_datasets
from tests.wire.transcript import Renames, read_transcript

HERE = Path(__file__).parent

RENAMES = {
    # Users, their ids and keys
    "tester": "analyst",
    "limited": "cramped",
    "throttled": "hurried",
    "brokendb": "nodatabase",
    "badpass": "lockedout",
    "5c0ffee0-0000-4000-8000-00000000000": "7ea5e1f0-1111-4222-8333-44444444444",
    "1b2c3d4e5f60718293a4b5c6d7e8f9001122334": "99887766554433221100ffeeddccbbaa0123456",
    # Tables: the new names keep the order in which lists of tables have them
    "plain_copy": "plain_rows",
    "points": "ponies",
    "polys": "poxes",
    "regular_rw": "regular_zz",
    "b_log": "j_log",
    "w_multi": "w_multiple",
    # Constants, as long as the old ones: some stand in binary answers
    "alpha": "amber",
    "bravo": "basil",
    "charlie": "crimson",
    "hidden": "buried",
    "square": "sphere",
    "holed": "caved",
    "boom": "bang",
    "2147483647": "1987654321",
    "12.34": "56.78",
    "2020-02-29": "2016-02-29",
}
"""Old names and new ones; whatever else is in the recording has to follow from them."""


def replay_maps_in_sandbox() -> MapsReport:
    """Replay the recording of the Maps API against a sandbox started for it."""
    accounts = json.loads((HERE / "accounts.json").read_text(encoding="utf-8"))["accounts"]
    datasets = (HERE / "datasets.sql").read_text(encoding="utf-8")
    with Sandbox(accounts=accounts) as sandbox:
        load_datasets(Replay(sandbox.base_url), accounts, datasets)
        return MapsReplay(sandbox.base_url).run(read_transcript(HERE / "maps-api.jsonl"))


def replay_in_sandbox(renames: Mapping[str, str]) -> Report:
    """Replay the recording against a sandbox started for it.

    Args:
        renames: What to rename in requests, expected answers, accounts and datasets alike.
    """
    names = Renames(renames)
    accounts = names.tree(json.loads((HERE / "accounts.json").read_text(encoding="utf-8"))["accounts"])
    datasets = names.text((HERE / "datasets.sql").read_text(encoding="utf-8"))
    exchanges = [names.exchange(exchange) for exchange in read_transcript(HERE / "sql-api.jsonl")]
    with Sandbox(accounts=accounts) as sandbox:
        replay = Replay(sandbox.base_url)
        load_datasets(replay, accounts, datasets)
        return replay.run(exchanges)
