"""The ``connector`` object of imports: a table or a query in somebody's PostgreSQL."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from carto.sandbox.import_errors import ImportFailed

PROVIDERS = ("postgres",)
_SSL_MODES = ("require", "prefer", "disable")


def source_of(connector: dict[str, Any]) -> dict[str, Any]:
    """Write a connector for the process that reads it: ``conninfo``, ``query`` and ``name``.

    Raises:
        ImportFailed: 1501, there is no such kind of database here; 1502, something is missing.
    """
    if connector.get("provider") not in PROVIDERS:
        raise ImportFailed(1501, f"provider {connector.get('provider')!r} is none of {', '.join(PROVIDERS)}")
    connection = connector.get("connection")
    if not isinstance(connection, dict):
        raise ImportFailed(1502, "the connector has no connection")
    query, name = _query(connector)
    return {"conninfo": _conninfo(connection), "query": query, "name": name}


def _conninfo(connection: dict[str, Any]) -> dict[str, Any]:
    missing = [name for name in ("server", "database", "username") if not connection.get(name)]
    if missing:
        raise ImportFailed(1502, f"the connection lacks {', '.join(missing)}")
    ssl_mode = connection.get("sslmode", "require")
    if ssl_mode not in _SSL_MODES:
        raise ImportFailed(1502, f"sslmode {ssl_mode!r} is none of {', '.join(_SSL_MODES)}")
    return {
        "host": str(connection["server"]),
        "port": str(connection.get("port") or 5432),
        "dbname": str(connection["database"]),
        "user": str(connection["username"]),
        "password": str(connection.get("password") or ""),
        "sslmode": ssl_mode,
    }


def _query(connector: dict[str, Any]) -> tuple[str, str]:
    """Return what is asked, and what the table is called."""
    name = connector.get("import_as") or connector.get("table")
    if not name:
        raise ImportFailed(1502, "the connector lacks table, or import_as with sql_query")
    if connector.get("sql_query"):
        return str(connector["sql_query"]), str(name)
    if not connector.get("table"):
        raise ImportFailed(1502, "the connector lacks table or sql_query")
    table = sql.Identifier(str(connector.get("schema") or "public"), str(connector["table"]))
    return f"SELECT * FROM {table.as_string()}", str(name)  # noqa: S608
