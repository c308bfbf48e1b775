"""Where API keys are kept: tables of the sandbox's own database, so that what the API changed outlives the server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Json

from carto.sandbox.accounts import Account, ApiKey, KeyType
from carto.sandbox.control_database import ControlTable
from carto.sandbox.state import ServerState

_CREATE_TABLES = """
CREATE TABLE IF NOT EXISTS api_keys (
    account text NOT NULL,
    name text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    type text NOT NULL,
    token text NOT NULL,
    role text NOT NULL,
    grants json NOT NULL,       -- those that are not PostgreSQL's
    declared boolean NOT NULL,  -- by the description of the account
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, name)
);
CREATE TABLE IF NOT EXISTS declared_keys (
    account text NOT NULL,
    name text NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (account, name)
);
"""
# A declaration is taken over once: what the API does to the key afterwards stays, until it is declared differently.
_TAKE_OVER = """
WITH unknown AS (
    INSERT INTO declared_keys AS d (account, name, digest) VALUES (%(account)s, %(name)s, %(digest)s)
    ON CONFLICT (account, name) DO UPDATE SET digest = excluded.digest WHERE d.digest <> excluded.digest
    RETURNING account
)
INSERT INTO api_keys (account, name, type, token, role, grants, declared)
SELECT account, %(name)s, %(type)s, %(token)s, %(role)s, %(grants)s, true FROM unknown
ON CONFLICT (account, name) DO UPDATE
SET token = excluded.token, type = excluded.type, role = excluded.role, grants = excluded.grants, declared = true,
    updated_at = now()
"""
_FORGET_UNDECLARED = """
WITH former AS (
    DELETE FROM declared_keys WHERE account = %(account)s AND name <> ALL (%(names)s) RETURNING account, name
)
DELETE FROM api_keys k USING former WHERE k.declared AND (k.account, k.name) = (former.account, former.name)
"""
_SELECT = "SELECT name, type, token, role, grants, declared, created_at, updated_at FROM api_keys"
_ADD = """
INSERT INTO api_keys (account, name, type, token, role, grants, declared)
VALUES (%s, %s, 'regular', %s, %s, %s, false) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class KeptKey:
    """What is kept of a key.

    Attributes:
        name: Its name.
        type: master, default or regular.
        token: What callers send.
        role: PostgreSQL role.
        grants: What it may do besides the rights of its role: ``apis``, ``dataservices`` and others that the API knows.
        declared: Whether the description of the account has it.
        created_at: When it was first seen.
        updated_at: When it was last changed.
    """

    name: str
    type: KeyType
    token: str = field(repr=False)
    role: str
    grants: dict[str, Any]
    declared: bool
    created_at: datetime
    updated_at: datetime


def take_over(connection: psycopg.Connection, accounts: Sequence[Account]) -> list[Account]:
    """Give accounts the keys that they have by now: those declared, as the API changed them, and those it made.

    Args:
        connection: Connection to the control database.
        accounts: Accounts as they are described.
    """
    connection.execute(_CREATE_TABLES)
    return [_with_kept_keys(connection, account) for account in accounts]


def _with_kept_keys(connection: psycopg.Connection, account: Account) -> Account:
    declared = {key.name: key for key in account.keys}
    with connection.transaction():
        connection.execute(_FORGET_UNDECLARED, {"account": account.name, "names": list(declared)})
        for key in account.keys:
            connection.execute(_TAKE_OVER, _described(account, key))
    with connection.cursor(row_factory=class_row(KeptKey)) as cursor:
        kept = cursor.execute(f"{_SELECT} WHERE account = %s ORDER BY number", [account.name]).fetchall()
    keys = (replace(declared[k.name], token=k.token) if k.declared else new_key(account, k) for k in kept)
    return replace(account, keys=tuple(keys))


def _described(account: Account, key: ApiKey) -> dict[str, Any]:
    grants = {"apis": key.apis, "dataservices": list(key.services)}
    digest = hashlib.sha256(json.dumps([key.type, key.token, grants]).encode()).hexdigest()
    return {"account": account.name, "name": key.name, "type": key.type, "token": key.token, "role": key.role,
            "grants": Json(grants), "digest": digest}  # fmt: skip


def new_key(account: Account, kept: KeptKey) -> ApiKey:
    """Make the key of an account that the API was asked for; it runs statements as long as the master key may."""
    return ApiKey(
        token=kept.token,
        name=kept.name,
        type=kept.type,
        role=kept.role,
        sql="sql" in kept.grants["apis"],
        maps="maps" in kept.grants["apis"],
        services=tuple(kept.grants.get("dataservices", ())),
        statement_timeout_ms=account.master_key.statement_timeout_ms,
    )


class KeyStore(ControlTable[KeptKey]):
    """The table of keys.

    Args:
        state: Knows where the table is.
    """

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, _CREATE_TABLES, class_row(KeptKey))

    async def all_of(self, account: str) -> list[KeptKey]:
        """Return the keys of an account, oldest first."""
        found = await self._connection.execute(f"{_SELECT} WHERE account = %s ORDER BY number", [account])
        return await found.fetchall()

    async def find(self, account: str, name: str) -> KeptKey | None:
        """Return the key of a name, None when there is none."""
        found = await self._connection.execute(f"{_SELECT} WHERE account = %s AND name = %s", [account, name])
        return await found.fetchone()

    async def add(self, account: str, name: str, token: str, role: str, grants: dict[str, Any]) -> bool:
        """Keep a new regular key; False when there is one of that name."""
        added = await self._connection.execute(_ADD, [account, name, token, role, Json(grants)])
        return bool(added.rowcount)

    async def set_token(self, account: str, name: str, token: str) -> None:
        """Give a key another token."""
        query = "UPDATE api_keys SET token = %s, updated_at = now() WHERE account = %s AND name = %s"
        await self._connection.execute(query, [token, account, name])

    async def remove(self, account: str, name: str) -> None:
        """Forget a key."""
        await self._connection.execute("DELETE FROM api_keys WHERE account = %s AND name = %s", [account, name])
