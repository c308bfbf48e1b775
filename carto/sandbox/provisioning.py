"""Makes the databases, PostgreSQL roles and grants of a sandbox's accounts."""

from __future__ import annotations

import psycopg
from psycopg import conninfo as conninfo_text
from psycopg import sql

from carto.sandbox import extension, key_grants, visualizations_store
from carto.sandbox.accounts import PUBLIC_ROLE, Account

SEARCH_PATH = '"$user", public, cartodb'


def provision(admin_conninfo: str, accounts: list[Account]) -> None:
    """Create the databases, roles and grants of all accounts; what exists already is brought up to date.

    Args:
        admin_conninfo: Connection string of a role that may create roles, databases and extensions.
        accounts: Accounts to serve.
    """
    with psycopg.connect(admin_conninfo, autocommit=True) as admin:
        for account in accounts:
            if account.database_url is None:
                _provision_roles(admin, account)
                _provision_database(admin, account)
    for account in accounts:
        if account.database_url is None:
            _provision_contents(admin_conninfo, account)


def _provision_roles(admin: psycopg.Connection, account: Account) -> None:
    for key in sorted(account.keys, key=lambda key: key.type != "default"):  # the others are granted its role
        role = sql.Identifier(key.role)
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [key.role]).fetchone():
            admin.execute(sql.SQL("CREATE ROLE {}").format(role))
        if key.type == "regular":  # what everybody may read, a regular key may read
            admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(PUBLIC_ROLE), role))
        log_in = sql.SQL("LOGIN" if account.can_log_in or key.role == PUBLIC_ROLE else "NOLOGIN")
        admin.execute(sql.SQL("ALTER ROLE {} {} PASSWORD {}").format(role, log_in, sql.Literal(key.password)))


def _provision_database(admin: psycopg.Connection, account: Account) -> None:
    database, owner = sql.Identifier(account.database), sql.Identifier(account.master_key.role)
    if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [account.database]).fetchone():
        admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(owner))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
    admin.execute(sql.SQL("ALTER DATABASE {} SET search_path = {}").format(database, sql.SQL(SEARCH_PATH)))
    for key in account.keys:
        setting = sql.SQL("ALTER ROLE {} IN DATABASE {} SET statement_timeout = {}")
        timeout = sql.Literal(key.statement_timeout_ms or 0)
        admin.execute(setting.format(sql.Identifier(key.role), database, timeout))


def _provision_contents(admin_conninfo: str, account: Account) -> None:
    conninfo = conninfo_text.make_conninfo(admin_conninfo, dbname=account.database)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        extension.install(connection, account.master_key.role, PUBLIC_ROLE)
        connection.execute("SELECT cartodb.CDB_SetUserQuotaInBytes(%s)", [account.quota_bytes or 0])
        key_grants.install(connection, account.keys)
        visualizations_store.install(connection)
