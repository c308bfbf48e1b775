"""Instances of maps: their tokens, and where they are kept until two hours after their last use."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import TupleRow, tuple_row

from carto.sandbox.control_database import ControlTable
from carto.sandbox.mapconfig import MapConfig
from carto.sandbox.maps_errors import refused
from carto.sandbox.moving_clock import MovingClock
from carto.sandbox.state import ServerState

LIFETIME = timedelta(seconds=7200)
NOTE_USE_EVERY = timedelta(seconds=60)
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS map_instances (
    token text PRIMARY KEY,
    document json NOT NULL,
    used_at timestamp with time zone NOT NULL
)
"""
_SAVE = """
INSERT INTO map_instances (token, document, used_at) VALUES (%s, %s, %s)
ON CONFLICT (token) DO UPDATE SET used_at = excluded.used_at
"""


@dataclass
class _Known:
    config: MapConfig
    used_at: datetime
    noted_at: datetime


class MapInstances(ControlTable[TupleRow]):
    """The table of instances, with those that this server has seen in memory.

    Args:
        state: Knows where the table is.
        clock: Says when an instance expires.
    """

    def __init__(self, state: ServerState, clock: MovingClock) -> None:
        super().__init__(state, _CREATE_TABLE, tuple_row)
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def knows(self, token: str) -> bool:
        """Tell whether there is an instance of this token."""
        return await self._find(token) is not None

    async def add(self, token: str, config: MapConfig) -> None:
        """Keep an instance."""
        now = self._clock.now()
        await self._connection.execute("DELETE FROM map_instances WHERE used_at < %s", [now - LIFETIME])
        self._known = {key: known for key, known in self._known.items() if known.used_at >= now - LIFETIME}
        await self._connection.execute(_SAVE, [token, json.dumps(config.as_json()), now])
        self._known[token] = _Known(config, now, now)

    async def get(self, token: str) -> MapConfig:
        """Return a map, which lives on for two hours from now.

        Raises:
            MapsError: 400, there is no such instance any more.
        """
        known = await self._find(token)
        if known is None:
            raise refused(f"Invalid or nonexistent map configuration token '{token}'")
        known.used_at = self._clock.now()
        if known.used_at - known.noted_at > NOTE_USE_EVERY:
            await self._note_use(token, known)
        return known.config

    async def _find(self, token: str) -> _Known | None:
        oldest = self._clock.now() - LIFETIME
        known = self._known.get(token) or await self._load(token)
        return known if known is not None and known.used_at >= oldest else None

    async def _load(self, token: str) -> _Known | None:
        found = await self._connection.execute("SELECT document, used_at FROM map_instances WHERE token = %s", [token])
        row = await found.fetchone()
        if row is None:
            return None
        known = self._known[token] = _Known(MapConfig.from_json(row[0]), row[1], row[1])
        return known

    async def _note_use(self, token: str, known: _Known) -> None:
        known.noted_at = known.used_at
        await self._connection.execute(_SAVE, [token, json.dumps(known.config.as_json()), known.used_at])


def token_of(config: MapConfig, database: str, role: str) -> str:
    """Compute the token of a map: the same for the same description and role.

    Args:
        config: The map.
        database: Name of the account's database.
        role: PostgreSQL role that draws it.
    """
    described = json.dumps([config.as_json(), database, role], ensure_ascii=False, separators=(",", ":"))
    return hashlib.md5(described.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
