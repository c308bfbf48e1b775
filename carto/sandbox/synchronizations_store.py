"""Where synchronizations are kept, beside their datasets; each call goes through the account's catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from carto.sandbox.visualizations_store import UUID, Catalog, Row

MAX_RETRIES = 10
UNFINISHED = ("queued", "syncing")
_SELECT = """
SELECT s.*, v.name FROM carto_sandbox.synchronizations s
LEFT JOIN carto_sandbox.visualizations v ON v.id = s.visualization_id
"""
_IS_TO_RUN = f"(state = 'success' OR (state = 'failure' AND retried_times < {MAX_RETRIES}))"
_ENQUEUE_DUE = f"""
UPDATE carto_sandbox.synchronizations SET state = 'queued', queued_at = %(now)s, updated_at = %(now)s
WHERE {_IS_TO_RUN} AND run_at <= %(now)s RETURNING id
"""  # noqa: S608
_NEXT_RUN = f"SELECT min(run_at) AS at FROM carto_sandbox.synchronizations WHERE {_IS_TO_RUN}"  # noqa: S608


async def all_of(catalog: Catalog) -> list[Row]:
    """Return the synchronizations of an account, oldest first."""
    return await catalog.rows(f"{_SELECT} ORDER BY s.created_at, s.id")


async def find(catalog: Catalog, wanted: str) -> Row | None:
    """Return a synchronization, None when there is none of that id."""
    if not UUID.fullmatch(wanted):
        return None
    return next(iter(await catalog.rows(f"{_SELECT} WHERE s.id = %s", [wanted])), None)


async def lock(catalog: Catalog, synchronization_id: Any) -> None:
    """Let nobody else change a synchronization during this transaction."""
    # Not part of `find`: a query that has had to wait for a lock shows its joined tables as they were before.
    await catalog.rows("SELECT FROM carto_sandbox.synchronizations WHERE id = %s FOR UPDATE", [synchronization_id])


async def of_datasets(catalog: Catalog, ids: Sequence[Any]) -> dict[Any, Row]:
    """Return the synchronizations of datasets, by dataset."""
    found = await catalog.rows(f"{_SELECT} WHERE s.visualization_id = ANY (%s)", [list(ids)])
    return {row["visualization_id"]: row for row in found}


async def add(catalog: Catalog, values: Mapping[str, Any]) -> Row:
    """Keep a new synchronization and return it."""
    return await _read(catalog, await catalog.insert("synchronizations", values))


async def change(catalog: Catalog, synchronization_id: Any, values: Mapping[str, Any]) -> None:
    """Change columns of a synchronization."""
    await catalog.update("synchronizations", synchronization_id, values)


async def delete(catalog: Catalog, synchronization_id: Any) -> None:
    """Forget a synchronization; its dataset stays."""
    await catalog.rows("DELETE FROM carto_sandbox.synchronizations WHERE id = %s", [synchronization_id])


async def enqueue_due(catalog: Catalog, now: datetime) -> list[Any]:
    """Put the synchronizations into the queue whose time has come, and return their ids."""
    return [row["id"] for row in await catalog.rows(_ENQUEUE_DUE, {"now": now})]


async def next_run(catalog: Catalog) -> datetime | None:
    """Return when the next synchronization is due, None when there is none."""
    found: datetime | None = (await catalog.rows(_NEXT_RUN))[0]["at"]
    return found


async def unfinished(catalog: Catalog) -> list[Row]:
    """Return the synchronizations that are queued or running."""
    return await catalog.rows(f"{_SELECT} WHERE s.state = ANY (%s)", [list(UNFINISHED)])


async def _read(catalog: Catalog, synchronization_id: Any) -> Row:
    found = await find(catalog, str(synchronization_id))
    assert found is not None, "it was put there in this transaction"
    return found
