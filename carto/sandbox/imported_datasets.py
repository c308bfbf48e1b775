"""Makes datasets, and at wish a map, of the tables that an import has made."""

from __future__ import annotations

from carto.sandbox import carto_file, map_layers
from carto.sandbox.accounts import Account
from carto.sandbox.importer import ImportResult
from carto.sandbox.state import ServerState
from carto.sandbox.visualizations_store import Catalog, Row, open_catalog


async def record(
    state: ServerState, account: Account, result: ImportResult, *, privacy: str | None, with_map: bool
) -> tuple[tuple[str, str] | None, str | None]:
    """Record the tables of an import as datasets.

    Args:
        state: What all endpoints share.
        account: Whose tables they are.
        result: The tables.
        privacy: ``PUBLIC``, ``PRIVATE`` or ``LINK`` for the new ones; None leaves them private.
        with_map: Whether a map over them is made.

    Returns:
        Ids of the first dataset and its table, None when there is no table; the id of the map, if any.
    """
    if not result.tables and result.map is None:
        return None, None
    async with open_catalog(state, account) as catalog:
        datasets = await catalog.datasets(table.name for table in result.tables)
        if datasets is None:
            return None, None  # somebody has dropped one meanwhile
        if privacy is not None:
            for table, dataset in zip(result.tables, datasets, strict=True):
                if table.created:
                    await _set_privacy(catalog, dataset, privacy)
        map_id = await _add_map(catalog, account, result, datasets) if with_map else None
    if not datasets:  # all tables of the map were there already, and skipped
        return None, map_id
    first = datasets[0]
    return (str(first["id"]), str(first["table_id"])), map_id


async def _set_privacy(catalog: Catalog, dataset: Row, privacy: str) -> None:
    await catalog.set_table_privacy(dataset, privacy)
    await catalog.change(dataset["id"], {"privacy": privacy})
    dataset["privacy"] = privacy


async def _add_map(catalog: Catalog, account: Account, result: ImportResult, datasets: list[Row]) -> str:
    """Make the map of a .carto file again, for other files one over all datasets."""
    if result.map is not None:
        by_layer = {table.layer: dataset for table, dataset in zip(result.tables, datasets, strict=True)}
        return str(await carto_file.restore_map(catalog, result.map, by_layer))
    name = await catalog.free_map_name(datasets[0]["name"], "derived")
    values = {"name": name, "type": "derived", "privacy": map_layers.blended_privacy(datasets)}
    return str(await map_layers.add_map_of_datasets(catalog, account, values, datasets))
