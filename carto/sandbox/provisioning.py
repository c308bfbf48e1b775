"""Makes the databases, PostgreSQL roles and grants of a sandbox's accounts, and those of keys that are made later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import psycopg
from psycopg import sql

from carto.sandbox import (
    control_database,
    extension,
    key_grants,
    key_store,
    member_store,
    service_quotas,
    visualizations_store,
)
from carto.sandbox.accounts import PUBLIC_ROLE, Account, ApiKey
from carto.sandbox.key_grants import DatabaseGrants

SEARCH_PATH = '"$user", public, cartodb, cdb_dataservices_client'
_END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"


def provision_all(admin_conninfo: str, accounts: Sequence[Account]) -> list[Account]:
    """Make the control database and all accounts.

    Args:
        admin_conninfo: Connection string of a role that may create roles, databases and extensions.
        accounts: Accounts as they are described.

    Returns:
        These and the users that their organizations made, with the keys that they have by now.
    """
    with psycopg.connect(admin_conninfo, autocommit=True) as admin:
        control_database.create(admin)
    with control_database.connected(admin_conninfo) as control:
        accounts = member_store.with_members(control, accounts)
    return provision(admin_conninfo, accounts)


def provision(admin_conninfo: str, accounts: Sequence[Account]) -> list[Account]:
    """Create the databases, roles and grants of accounts; what exists already is brought up to date.

    Args:
        admin_conninfo: As for `provision_all`.
        accounts: Accounts as they are described.

    Returns:
        The accounts with the keys that they have by now.
    """
    with control_database.connected(admin_conninfo) as control:
        accounts = key_store.take_over(control, accounts)
    with psycopg.connect(admin_conninfo, autocommit=True) as admin:
        own = [account for account in accounts if account.database_url is None]
        for account in own:
            _provision_roles(admin, account)
            _provision_database(admin, account)
    for account in own:
        _provision_contents(admin_conninfo, account)
    return accounts


def _provision_roles(admin: psycopg.Connection, account: Account) -> None:
    for key in sorted(account.keys, key=lambda key: key.type != "default"):  # the others are granted its role
        _make_role(admin, account, key)


def _make_role(admin: psycopg.Connection, account: Account, key: ApiKey) -> None:
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
        _limit_statements(admin, account, key)


def _limit_statements(admin: psycopg.Connection, account: Account, key: ApiKey) -> None:
    setting = sql.SQL("ALTER ROLE {} IN DATABASE {} SET statement_timeout = {}")
    timeout = sql.Literal(key.statement_timeout_ms or 0)
    admin.execute(setting.format(sql.Identifier(key.role), sql.Identifier(account.database), timeout))


def _provision_contents(admin_conninfo: str, account: Account) -> None:
    with _connect(admin_conninfo, account, autocommit=True) as connection:
        extension.install(connection, account.master_key.role, PUBLIC_ROLE)
        _note_quota(connection, account)
        key_grants.install(connection, account.keys)
        service_quotas.install(connection, account)
        visualizations_store.install(connection)


def _connect(admin_conninfo: str, account: Account, *, autocommit: bool = False) -> psycopg.Connection:
    return psycopg.connect(account.admin_conninfo(admin_conninfo), autocommit=autocommit)


def set_quota(admin_conninfo: str, account: Account) -> None:
    """Have an account's database know its quota."""
    with _connect(admin_conninfo, account) as connection:
        _note_quota(connection, account)


def _note_quota(connection: psycopg.Connection, account: Account) -> None:
    connection.execute("SELECT cartodb.CDB_SetUserQuotaInBytes(%s)", [account.quota_bytes or 0])


def remove(admin_conninfo: str, account: Account) -> None:
    """Remove the database and the roles of an account, end its sessions, and forget what is kept of it.

    Args:
        admin_conninfo: As for `provision_all`.
        account: The account.
    """
    with psycopg.connect(admin_conninfo, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(account.database)))
        for key in account.keys:
            if key.role != PUBLIC_ROLE:
                admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(key.role)))
    with control_database.connected(admin_conninfo) as control:
        control_database.forget_account(control, account.name)


def new_role_name(account: Account) -> str:
    """Return a name for the role of a key that nobody has had before."""
    return f"{account.master_key.role[:46]}_role_{secrets.token_hex(5)}"


def add_key(admin_conninfo: str, account: Account, key: ApiKey, grants: DatabaseGrants) -> None:
    """Make the role of a new regular key, all or nothing.

    Args:
        admin_conninfo: As for `provision`.
        account: Whose key it is.
        key: The key.
        grants: What it may do in the database.

    Raises:
        NotGrantableError: The account does not have a right that the key is to have.
    """
    owner = account.master_key.role
    with _connect(admin_conninfo, account) as connection:
        key_grants.check(connection, owner, grants)
        _make_role(connection, account, key)
        _limit_statements(connection, account, key)
        key_grants.grant(connection, owner, key, grants)


def remove_key(admin_conninfo: str, account: Account, key: ApiKey) -> None:
    """Remove the role of a regular key and end its sessions; tables that it made become the account's.

    Args:
        admin_conninfo: As for `provision`.
        account: Whose key it is.
        key: The key.
    """
    role, owner = sql.Identifier(key.role), sql.Identifier(account.master_key.role)
    with _connect(admin_conninfo, account) as connection:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        connection.execute(_END_SESSIONS, [key.role])  # first, since what they run may hold locks
        key_grants.forget(connection, key)
        connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(role, owner))
        connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
        connection.execute(sql.SQL("DROP ROLE {}").format(role))
