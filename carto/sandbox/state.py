"""What all endpoints of one running sandbox share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import conninfo as conninfo_text

from carto.sandbox.accounts import Account
from carto.sandbox.pool import Pool
from carto.sandbox.rate_limits import RateLimiter

_TYPE_NAMES = "SELECT oid, typname FROM pg_type WHERE oid < 16384 OR typname IN ('geometry', 'raster')"


@dataclass(frozen=True)
class ServerOptions:
    """How a sandbox is set up.

    Attributes:
        accounts: Accounts to serve.
        conninfo: Connection string of the cluster, of a role that may create roles and databases.
        data_dir: Directory for what has to be kept on disk.
        image_hosts: Hosts besides this machine from which maps may take tiles and images.
    """

    accounts: list[Account]
    conninfo: str
    data_dir: Path
    image_hosts: tuple[str, ...] = ()


@dataclass
class ServerState:
    """Accounts by name, the limiter, the lent connections and the connection strings."""

    options: ServerOptions
    accounts: dict[str, Account] = field(init=False)
    limiter: RateLimiter = field(default_factory=RateLimiter)
    pool: Pool = field(default_factory=Pool)

    _type_names: dict[str, dict[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts = {account.name: account for account in self.options.accounts}

    @cached_property
    def cluster_conninfo(self) -> str:
        """Connection string of the cluster, without role, password and database."""
        parts = conninfo_text.conninfo_to_dict(self.options.conninfo)
        for personal in ("user", "password", "dbname"):
            parts.pop(personal, None)
        return conninfo_text.make_conninfo("", **parts)

    async def type_names(self, account: Account, connection: psycopg.AsyncConnection) -> dict[int, str]:
        """Return the names of the built-in types and PostGIS's two by OID, asking each database once."""
        known = self._type_names.get(account.database)
        if known is None:
            rows = await (await connection.execute(_TYPE_NAMES)).fetchall()
            known = self._type_names[account.database] = dict(rows)
        return known
