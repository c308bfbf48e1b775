"""Where the users are kept that an organization made: descriptions of accounts, in the sandbox's own database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import scalar_row
from psycopg.types.json import Json

from carto.sandbox.accounts import Account, account_from_dict
from carto.sandbox.control_database import ControlTable
from carto.sandbox.state import ServerState

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS organization_members (
    account text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    description json NOT NULL
)
"""


def with_members(connection: psycopg.Connection, accounts: Sequence[Account]) -> list[Account]:
    """Add the users to some accounts that their organizations made.

    Args:
        connection: Connection to the control database.
        accounts: Accounts as they are described.
    """
    connection.execute(_CREATE_TABLE)
    with connection.cursor(row_factory=scalar_row) as cursor:
        kept = cursor.execute("SELECT description FROM organization_members ORDER BY number").fetchall()
    members = [account_from_dict(description) for description in kept]
    names = {account.name for account in accounts}
    organizations = {account.organization for account in accounts} - {None}
    return [*accounts, *(each for each in members if each.organization in organizations and each.name not in names)]


class MemberStore(ControlTable[Any]):
    """The table of users.

    Args:
        state: Knows where the table is.
    """

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, _CREATE_TABLE, scalar_row)

    async def add(self, account: Account) -> None:
        """Keep a new user."""
        query = "INSERT INTO organization_members (account, description) VALUES (%s, %s)"
        await self._connection.execute(query, [account.name, Json(_description(account))])

    async def change(self, account: Account) -> None:
        """Keep the present state of a user; one whose account is declared begins as declared at each start."""
        query = "UPDATE organization_members SET description = %s WHERE account = %s"
        await self._connection.execute(query, [Json(_description(account)), account.name])


def _description(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "user_id": account.user_id,
        "organization": account.organization,
        "org_role": account.org_role,
        "email": account.email,
        "viewer": account.viewer,
        "soft_limits": account.soft_limits,
        "quota_bytes": account.quota_bytes,
        "keys": [{"type": "master", "token": account.master_key.token}],
    }
