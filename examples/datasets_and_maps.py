"""Find the datasets and maps of an account, and show them; the examples about them share this."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from terminal import fail, print_table, progress_shown, size_text

from carto.auth import APIKeyAuthClient
from carto.datasets import Dataset, DatasetManager
from carto.exceptions import CartoNotFoundException
from carto.progress import showing_states
from carto.sql import Identifier, SQLClient
from carto.visualizations import Visualization, VisualizationManager


def check_key(auth_client: APIKeyAuthClient) -> None:
    """Ask for something that needs the key: with a wrong one, lists are not refused but hold what is public.

    Raises:
        CartoUnauthorizedException: The account does not know the key.
    """
    SQLClient(auth_client).send("SELECT 1", idempotent=True)


def find_dataset(auth_client: APIKeyAuthClient, name: str) -> Dataset:
    """Read a dataset by its name or id; end the script when there is none."""
    check_key(auth_client)
    try:
        return DatasetManager(auth_client).get(name)
    except CartoNotFoundException:
        fail(f"there is no dataset {name!r} in this account; list_tables.py shows what it has")


def find_map(auth_client: APIKeyAuthClient, name: str) -> Visualization:
    """Read a map by its name or id; end the script when there is none."""
    check_key(auth_client)
    try:
        return VisualizationManager(auth_client).get(name)
    except CartoNotFoundException:
        fail(f"there is no map {name!r} in this account; map_info.py shows what it has")


def export_url(found: Visualization) -> str:
    """Export a map on the server, and show how far it is; give the address of the file."""
    with showing_states(progress_shown(), None, "export") as show:
        return found.export(on_state=show)


def print_dataset(auth_client: APIKeyAuthClient, dataset: Dataset) -> None:
    """Print what people want to know of a new dataset."""
    # the server's own number of rows is an estimate
    counted = SQLClient(auth_client).send("SELECT count(*) AS rows FROM %s", params=[Identifier(dataset.name)])
    table, sync = dataset.table, dataset.synchronization
    properties = {
        "dataset": dataset.name,
        "rows": counted["rows"][0]["rows"],
        "size": size_text(table.size),
        "geometry": ", ".join(table.geometry_types or ()) or "none",
        "privacy": dataset.privacy,
        "URL": dataset.url,
    }
    if sync is not None:
        properties |= {"fetched every": f"{sync.interval} s", "next time at": time_text(sync.run_at)}
    print_properties(properties)


def print_properties(properties: Mapping[str, Any]) -> None:
    """Print the properties of one thing as a table; None is left empty."""
    print_table(("property", "value"),
                [(name, None if value is None else str(value)) for name, value in properties.items()])


def time_text(moment: datetime | None) -> str | None:
    """Write a moment in the time of this machine, to the second."""
    return None if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
