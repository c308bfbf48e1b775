"""The tables behind a map: when their data last changed, and what caches are told about that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime, parsedate_to_datetime

from carto.sandbox.map_sql import Database, at_zoom_0
from carto.sandbox.mapconfig import MapConfig
from carto.sandbox.query_tables import ONE_YEAR_S, ReadTable, fallback_ttl_s, surrogate_key, tables_read

INSTANTIATION_TTL_S = 86400


@dataclass(frozen=True)
class MapTables:
    """The tables that a map's queries read.

    Attributes:
        tables: The tables, each once, by name.
        has_queries: Whether the map has queries at all.
    """

    tables: tuple[ReadTable, ...]
    has_queries: bool

    @property
    def updated_at(self) -> datetime | None:
        """When the data last changed, as far as that is known."""
        return max((table.updated_at for table in self.tables if table.updated_at), default=None)

    @property
    def _are_all_noted(self) -> bool:
        return self.has_queries and all(table.updated_at for table in self.tables)

    def tile_headers(self, database: str, template: str | None = None) -> dict[str, str]:
        """Return the headers of a tile, an image or data.

        Args:
            database: Name of the account's database.
            template: Account and name of the named map, when it was asked for by name.
        """
        seconds = ONE_YEAR_S if self._are_all_noted else fallback_ttl_s()
        headers = {"Cache-Control": f"public,max-age={seconds}"}
        if self.updated_at is not None and self._are_all_noted:
            headers["Last-Modified"] = format_datetime(self.updated_at.astimezone(timezone.utc), usegmt=True)
        return headers | self._cache_keys(database, template)

    def instantiation_headers(self, database: str, template: str | None = None) -> dict[str, str]:
        """Return the headers of an instantiation by GET; see `tile_headers`."""
        seconds = INSTANTIATION_TTL_S if self._are_all_noted else fallback_ttl_s()
        return {"Cache-Control": f"public,max-age={seconds},must-revalidate"} | self._cache_keys(database, template)

    def is_unchanged_since(self, header: str) -> bool:
        """Tell whether nothing changed after the time of an If-Modified-Since header."""
        try:
            since = parsedate_to_datetime(header)
        except ValueError:
            return False
        if self.updated_at is None or not self._are_all_noted or since.tzinfo is None:
            return False
        return self.updated_at.replace(microsecond=0) <= since

    def _cache_keys(self, database: str, template: str | None) -> dict[str, str]:
        headers = {}
        names = [f"{table.schema}.{table.name}" for table in self.tables]
        keys = [f"n:{surrogate_key(template).removeprefix('t:')}"] if template else []
        keys += [surrogate_key(f"{database}:{name}") for name in names]
        if self.has_queries:
            headers["X-Cache-Channel"] = f"{database}:{','.join(names)}" if names else ""
        if keys:
            headers["Surrogate-Key"] = " ".join(keys)
        return headers


async def tables_of(config: MapConfig, owner: Database) -> MapTables:
    """Ask PostgreSQL which tables a map reads.

    Args:
        config: The map.
        owner: The database as its owner reaches it, who may look at all tables.
    """
    queries = [layer.sql for layer in config.layers if layer.sql] + [config.node_query(node) for node in config.nodes]
    found: dict[tuple[str, str], ReadTable] = {}
    for query in dict.fromkeys(queries):
        for table in await tables_read(owner.pool, owner.conninfo, at_zoom_0(query)) or ():
            found[table.schema, table.name] = table
    return MapTables(tuple(found[name] for name in sorted(found)), bool(queries))
