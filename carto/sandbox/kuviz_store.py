"""Where kuvizs are kept: a table of the sandbox's own database, their pages in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import DictRow, dict_row

from carto.sandbox.control_database import ControlTable
from carto.sandbox.paging import Page
from carto.sandbox.state import ServerState

ORDERS = ("name", "updated_at", "privacy")
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS kuvizs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account text NOT NULL,
    name text NOT NULL,
    privacy text NOT NULL,
    password text,
    page bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS kuvizs_account ON kuvizs (account, name);
"""
_SHOWN = sql.SQL("id, account, name, privacy, created_at, updated_at")
_MATCHING = sql.SQL(
    "WHERE account = %(account)s AND (%(privacy)s::text IS NULL OR privacy = %(privacy)s)"
    " AND (%(q)s::text IS NULL OR strpos(lower(name), lower(%(q)s)) > 0)"
)


class KuvizStore(ControlTable[DictRow]):
    """The table of kuvizs.

    Args:
        state: Knows where the table is.
    """

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, _CREATE_TABLE, dict_row)

    async def page_of(self, page: Page, account: str, privacy: str | None, q: str | None) -> tuple[list[DictRow], int]:
        """Return a page of an account's kuvizs, and how many there are on all pages.

        Args:
            page: The page.
            account: Whose kuvizs.
            privacy: Only those of this privacy.
            q: Only those with this text in their name.
        """
        values = {"account": account, "privacy": privacy, "q": q, "limit": page.size, "offset": page.first_entry}
        order = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(direction)) for name, direction in page.orders
        )
        query = sql.SQL("SELECT {} FROM kuvizs {} ORDER BY {}, id LIMIT %(limit)s OFFSET %(offset)s")
        found = await self._connection.execute(query.format(_SHOWN, _MATCHING, order), values)
        rows = await found.fetchall()
        counted = await self._connection.execute(sql.SQL("SELECT count(*) FROM kuvizs {}").format(_MATCHING), values)
        (count,) = [row["count"] for row in await counted.fetchall()]
        return rows, count

    async def find(self, kuviz_id: UUID) -> DictRow | None:
        """Return a kuviz of whichever account, without its page; None when there is none."""
        found = await self._connection.execute(
            sql.SQL("SELECT {} FROM kuvizs WHERE id = %s").format(_SHOWN), [kuviz_id]
        )
        return await found.fetchone()

    async def named(self, account: str, name: str) -> list[DictRow]:
        """Return the kuvizs of a name, the newest first."""
        query = sql.SQL("SELECT {} FROM kuvizs WHERE account = %s AND name = %s ORDER BY updated_at DESC, id")
        return await (await self._connection.execute(query.format(_SHOWN), [account, name])).fetchall()

    async def page(self, account: str, kuviz_id: UUID) -> DictRow | None:
        """Return page, privacy and password of an account's kuviz; None when there is none."""
        query = "SELECT page, privacy, password FROM kuvizs WHERE account = %s AND id = %s"
        return await (await self._connection.execute(query, [account, kuviz_id])).fetchone()

    async def add(self, values: Mapping[str, Any]) -> DictRow:
        """Keep a new kuviz and return it."""
        query = sql.SQL("INSERT INTO kuvizs ({}) VALUES ({}) RETURNING {}").format(
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(map(sql.Placeholder, values)),
            _SHOWN,
        )
        (row,) = await (await self._connection.execute(query, values)).fetchall()
        return row

    async def change(self, kuviz_id: UUID, values: Mapping[str, Any]) -> DictRow | None:
        """Change columns of a kuviz and return it; None when it is gone."""
        changes = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in values]
        query = sql.SQL("UPDATE kuvizs SET {} WHERE id = %(id)s RETURNING {}").format(
            sql.SQL(", ").join([*changes, sql.SQL("updated_at = now()")]), _SHOWN
        )
        return await (await self._connection.execute(query, {**values, "id": kuviz_id})).fetchone()

    async def remove(self, *kuviz_ids: UUID) -> None:
        """Forget kuvizs."""
        await self._connection.execute("DELETE FROM kuvizs WHERE id = ANY (%s)", [list(kuviz_ids)])
