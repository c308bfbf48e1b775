"""Where the templates of named maps are kept: a table of the sandbox's own database."""

from __future__ import annotations

import json

from psycopg.rows import TupleRow, tuple_row

from carto.sandbox.control_database import ControlTable
from carto.sandbox.maps_errors import refused
from carto.sandbox.state import ServerState
from carto.sandbox.templates import Template

MAX_TEMPLATES = 1024
_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS map_templates (
    account text NOT NULL,
    name text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    document json NOT NULL,
    PRIMARY KEY (account, name)
)
"""
_ADD = """
INSERT INTO map_templates (account, name, document)
SELECT %(account)s, %(name)s, %(document)s
 WHERE (SELECT count(*) FROM map_templates WHERE account = %(account)s) < %(limit)s
ON CONFLICT DO NOTHING
"""


class TemplateStore(ControlTable[TupleRow]):
    """The table of templates.

    Args:
        state: Knows where the table is.
    """

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, _CREATE_TABLE, tuple_row)

    async def names(self, account: str) -> list[str]:
        """List the names of an account's templates, oldest first."""
        found = await self._connection.execute(
            "SELECT name FROM map_templates WHERE account = %s ORDER BY number", [account]
        )
        return [name for (name,) in await found.fetchall()]

    async def get(self, account: str, name: str) -> Template | None:
        """Return a template, or None."""
        found = await self._connection.execute(
            "SELECT document FROM map_templates WHERE account = %s AND name = %s", [account, name]
        )
        row = await found.fetchone()
        return row[0] if row else None

    async def add(self, account: str, template: Template) -> None:
        """Keep a new template.

        Raises:
            MapsError: 400, there is one of that name; 409, there are too many.
        """
        name = template["name"]
        values = {"account": account, "name": name, "document": json.dumps(template), "limit": MAX_TEMPLATES}
        added = await self._connection.execute(_ADD, values)
        if added.rowcount:
            return
        if await self.get(account, name) is not None:
            raise refused(f"Template '{name}' of user '{account}' already exists")
        limits = f"{MAX_TEMPLATES}/{MAX_TEMPLATES}"
        raise refused(f"User '{account}' reached limit on number of templates ({limits})", status=409)

    async def replace(self, account: str, template: Template) -> bool:
        """Keep a template in place of the one with its name; False when there is none."""
        replaced = await self._connection.execute(
            "UPDATE map_templates SET document = %s WHERE account = %s AND name = %s",
            [json.dumps(template), account, template["name"]],
        )
        return bool(replaced.rowcount)

    async def remove(self, account: str, name: str) -> bool:
        """Forget a template; False when there is none."""
        removed = await self._connection.execute(
            "DELETE FROM map_templates WHERE account = %s AND name = %s", [account, name]
        )
        return bool(removed.rowcount)
