"""What a map is made of: a basemap, and one layer for each dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from carto.sandbox.accounts import Account
from carto.sandbox.visualizations_store import Catalog, Row

UNTITLED = "Untitled map"
_BASEMAP = {
    "name": "Positron",
    "type": "Tiled",
    "urlTemplate": "https://{s}.basemaps.cartocdn.com/light_all/{z}/{x}/{y}.png",
    "subdomains": "abcd",
    "minZoom": 0,
    "maxZoom": 18,
    "attribution": "© OpenStreetMap contributors, © CARTO",
    "visible": True,
}
_STYLES = {
    "Point": "#layer { marker-width: 7; marker-fill: #ee4d5a; marker-fill-opacity: 0.9; marker-line-color: #fff; }",
    "Line": "#layer { line-color: #4cc8a3; line-width: 1.5; }",
    "Polygon": "#layer { polygon-fill: #826dba; polygon-opacity: 0.9; line-color: #fff; line-width: 1; }",
}


def blended_privacy(datasets: Iterable[Row]) -> str:
    """Return the privacy of a map over datasets: that of the most private one."""
    found = {row["privacy"] for row in datasets}
    return next((privacy for privacy in ("PRIVATE", "LINK") if privacy in found), "PUBLIC")


async def add_map_of_datasets(
    catalog: Catalog, account: Account, values: Mapping[str, Any], datasets: list[Row]
) -> Any:
    """Record a map with a layer for each dataset, the first one lowest, and return its id.

    Args:
        catalog: Where it is recorded.
        account: Whose map it is.
        values: Columns of the map.
        datasets: What it shows.
    """
    new_id = await catalog.add(values)
    await catalog.add_layer(new_id, 0, "tiled", _BASEMAP)
    for position, dataset in enumerate(datasets, 1):
        await catalog.add_layer(new_id, position, "carto", _options(account, dataset), dataset["id"])
    return new_id


def _options(account: Account, dataset: Row) -> dict[str, Any]:
    kinds = dataset["geometry_types"] or ["ST_Point"]
    style = next((css for kind, css in _STYLES.items() if kind in kinds[0]), _STYLES["Point"])
    return {
        "table_name": dataset["name"],
        "user_name": account.name,
        "query": f"SELECT * FROM {dataset['name']}",  # noqa: S608 -- shown, not run
        "tile_style": style,
        "style_version": "2.1.1",
        "sql_wrap": None,
        "interactivity": "cartodb_id",
        "visible": True,
        "source": None,
        "style_properties": None,
    }
