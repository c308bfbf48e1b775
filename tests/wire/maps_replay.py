"""Replays the recording of the Maps API against a server and compares every answer."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.wire.client import Answer, Client
from tests.wire.maps_comparison import Tokens, differences
from tests.wire.maps_scope import reason_left_out
from tests.wire.replay import Report
from tests.wire.tile_server import tile_server
from tests.wire.transcript import Exchange

MAP_GROUPS = (
    *("map", "bad", "get", "auth", "tile", "ltile", "idtile", "mvttile", "attr", "static", "dv"),
    *("named", "inst", "upd", "del", "ntile", "ntoken", "ntpl", "nstatic", "mut"),
)
MAPS_SHARE = 0.9
RECORDED_TILE_SERVER = "127.0.0.1:8183"
TILE_EXCHANGE = "ltile_2_0_0_0.png"
BUCKET_REFILL_S = 6.5
FULL_BUCKET = "rate_tile_mvt_1"
"""An exchange that the recording made with a full bucket, although others of its group had emptied it."""

FIRST_EXPIRED, AFTER_EXPIRED = "exp_tile_after_cached_renderer", "exp_2_recreated"
"""The exchanges between which the recording had the map exp_1 expire."""

_PLACEHOLDER = re.compile(r"\{\{([^}|]+)(\|token)?\}\}")
_OTHER_NAMES = {"bare_token_right": "inst_token_right", "bare_min": "inst_min", "rate_map": "rate_anonymous_1"}


@dataclass
class MapsReport(Report):
    """What a replay of the Maps API found.

    Attributes:
        left_out: Why exchanges were not compared, by name.
    """

    required = ((MAPS_SHARE, MAP_GROUPS),)
    left_out: dict[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Write the differences, the counts per group, and how many were left out for which reason."""
        reasons = sorted(set(self.left_out.values()))
        counts = [f"{list(self.left_out.values()).count(reason):4} left out: {reason}" for reason in reasons]
        wanted = f"{'required':12} {'{} / {}'.format(*self.matched(MAP_GROUPS)):>9}"
        return "\n".join([super().text(), wanted, *counts])


class MapsReplay:
    """One run through the recording.

    Args:
        base_url: Where the server is.
    """

    def __init__(self, base_url: str) -> None:
        self._client = Client(base_url)
        self._layergroups: dict[str, str] = {}

    def run(self, exchanges: Iterable[Exchange]) -> MapsReport:
        """Send every exchange that the sandbox has something for, in order, and compare what has a recorded answer."""
        exchanges = list(exchanges)
        tile = next(exchange for exchange in exchanges if exchange.name == TILE_EXCHANGE)
        with tile_server(base64.b64decode((tile.response or {})["body_b64"])) as port:
            return self._run([exchange.with_text(RECORDED_TILE_SERVER, f"127.0.0.1:{port}") for exchange in exchanges])

    def _run(self, exchanges: list[Exchange]) -> MapsReport:
        report, tokens, left_out = MapsReport(), Tokens(), dict[str, str]()
        for exchange in exchanges:
            reason = reason_left_out(exchange, left_out)
            if reason:
                left_out[exchange.name] = reason
                if exchange.response is not None:
                    report.left_out[exchange.name] = reason
                continue
            self._prepare(exchange.name)
            answer = self._send(exchange)
            if exchange.response is not None:
                report.compared.setdefault(exchange.group, []).append(exchange.name)
                if found := differences(exchange, answer, tokens):
                    report.differing[exchange.name] = found
        return report

    def _prepare(self, name: str) -> None:
        """Do what the recording's own preparations did behind the server's back."""
        if name == FULL_BUCKET:
            time.sleep(BUCKET_REFILL_S)
        elif name == FIRST_EXPIRED:
            self._move_clock("POST", '{"advance": 7300}')
        elif name == AFTER_EXPIRED:
            self._move_clock("DELETE", "")

    def _move_clock(self, method: str, body: str) -> None:
        request = {"method": method, "path": "/sandbox/clock", "headers": {"Host": "localhost"}, "body": body}
        answer = self._client.send(Exchange("clock", request, None, True), "/sandbox/clock", body.encode())
        if answer.status != 200:
            raise RuntimeError(f"The sandbox's clock could not be moved: {answer}")

    def _send(self, exchange: Exchange) -> Answer:
        path = _PLACEHOLDER.sub(self._layergroup, exchange.path_template)
        if exchange.request.get("body") == "":  # a body of no bytes is told from none by its length
            exchange.request["headers"]["Content-Length"] = "0"
        answer = self._client.send(exchange, path, exchange.body())
        if answer.status == 200 and answer.body.startswith(b'{"layergroupid"'):
            self._layergroups[exchange.name] = json.loads(answer.body)["layergroupid"]
        return answer

    def _layergroup(self, match: re.Match[str]) -> str:
        name = match.group(1)
        known = self._layergroups.get(_OTHER_NAMES.get(name, name), "unknown")
        if name.startswith("bare_"):
            known = known.rpartition("@")[2]
        return known.partition(":")[0] if match.group(2) else known
