"""How much of the data services an account may use and has used, as far as the database tells it.

There are no such services in a sandbox. The numbers come from the description of the account, so that programs which
look at their quota first can be tried out.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from carto.sandbox.accounts import Account

_SET = "INSERT INTO cdb_dataservices_client._service_quotas VALUES (%s, %s, %s, %s, %s)"


def install(connection: psycopg.Connection, account: Account) -> None:
    """Note an account's quotas, and let the keys read them that may use a service.

    Args:
        connection: Connection of an administrator to the account's database.
        account: The account.
    """
    quotas = [
        (name, quota.monthly_quota, quota.used_quota, quota.soft_limit, quota.provider)
        for name, quota in account.service_quotas.items()
    ]
    with connection.transaction():
        connection.execute("DELETE FROM cdb_dataservices_client._service_quotas")
        connection.cursor().executemany(_SET, quotas)
        for key in account.keys:
            if key.services:
                allow(connection, key.role)


def allow(connection: psycopg.Connection, role: str) -> None:
    """Let a role call the functions of the data services' client."""
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA cdb_dataservices_client TO {}").format(sql.Identifier(role)))
