"""The .carto file: a zip of a map's definition (``export.json``) and its tables (a GeoPackage each)."""

from __future__ import annotations

import asyncio
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from psycopg import sql

from carto.sandbox import map_layers
from carto.sandbox.accounts import Account
from carto.sandbox.formats import ogr, vector_translate
from carto.sandbox.visualizations_store import Catalog, Row

SUFFIX = ".carto"
DEFINITION = "export.json"
VERSION = "2.1.3"  # of the definitions that CARTO's own servers wrote last
_KEPT = (
    "id", "name", "display_name", "description", "type", "tags", "privacy", "source", "title", "license",
    "attributions", "kind", "locked", "version", "transition_options", "created_at", "updated_at",
)  # fmt: skip
_RESTORED = (
    "display_name", "description", "tags", "source", "title", "license", "attributions",
)  # fmt: skip


Tables = Mapping[str, Sequence[str]]


class ExportFailed(Exception):
    """A table could not be written."""


async def definition_of(catalog: Catalog, account: Account, visualization: Row) -> dict[str, Any]:
    """Describe a map, as ``export.json`` holds it."""
    shown = {key: visualization[key] for key in _KEPT}
    layers = [
        {"kind": layer["kind"], "order": layer["position"], "options": {**layer["options"], **_present_table(layer)}}
        for layer in await catalog.layers(visualization["id"])
    ]
    whole = {**shown, "user": {"username": account.name}, "layers": layers}
    return {"version": VERSION, "visualization": json.loads(json.dumps(whole, default=str))}


def _present_table(layer: Row) -> dict[str, str]:
    return {} if layer["table_name"] is None else {"table_name": layer["table_name"]}


async def write(target: Path, definition: Mapping[str, Any], tables: Tables, conninfo: str) -> None:
    """Write a .carto file.

    Args:
        target: The file.
        definition: What describes the map.
        tables: Columns of the tables that it holds, by the tables' names.
        conninfo: Connection string of the account's owner.

    Raises:
        ExportFailed: GDAL could not write a table.
    """
    files = []
    for table, columns in tables.items():
        file = target.with_name(f"{_stem(table)}.gpkg")
        await _write_table(file, table, columns, conninfo)
        files.append(file)
    await asyncio.to_thread(_zip, target, json.dumps(definition, ensure_ascii=False), files)


async def _write_table(file: Path, table: str, columns: Sequence[str], conninfo: str) -> None:
    named = sql.SQL(", ").join(map(sql.Identifier, columns))
    query = sql.SQL("SELECT {} FROM {}").format(named, sql.Identifier("public", table)).as_string()
    layer = re.sub(r"^\W", "_", table)  # GDAL has no layer that begins with a special character
    arguments = ["-f", "GPKG", "-sql", query, "-nln", layer, "-a_srs", "EPSG:4326"]
    task = {"source": f"PG:{conninfo}", "target": str(file), "arguments": arguments}
    code, said = await ogr.run_translation(task)
    if code == vector_translate.NO_LIBRARY:
        raise ExportFailed("GDAL's library, libgdal, is not installed")
    if code:
        raise ExportFailed(f"GDAL could not write {table}: {said.strip()}")


def _stem(table: str) -> str:
    """Name the file of a table, in whose name there may be what leads to other directories; imports read it back."""
    return re.sub(r"^\.|[/\\%]", lambda found: f"%{ord(found[0]):02X}", table)


def _zip(target: Path, definition: str, files: Sequence[Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(DEFINITION, definition)
        for file in files:
            packed.write(file, file.name)


async def restore_map(catalog: Catalog, definition: Mapping[str, Any], datasets: Mapping[str, Row]) -> Any:
    """Make the map of a .carto file that was imported, and return its id.

    Args:
        catalog: Where it is recorded.
        definition: What ``export.json`` held.
        datasets: The datasets that its tables became, by the names that the tables had in the file. Where a table
            was not imported, the map shows the one of its name that is there.
    """
    described = definition.get("visualization") or {}
    datasets = await _with_existing(catalog, described, datasets)
    values = {name: described[name] for name in _RESTORED if described.get(name) is not None}
    values["name"] = await catalog.free_map_name(str(described.get("name") or map_layers.UNTITLED), "derived")
    privacy = map_layers.blended_privacy(datasets.values())
    new_id = await catalog.add({**values, "type": "derived", "privacy": privacy})
    for layer in described.get("layers") or ():
        options = dict(layer.get("options") or {})
        dataset = datasets.get(options.get("table_name", ""))
        if dataset is not None:
            options = _with_table(options, dataset["name"])
        await catalog.add_layer(new_id, layer["order"], layer["kind"], options, dataset and dataset["id"])
    return new_id


async def _with_existing(catalog: Catalog, described: Mapping[str, Any], files: Mapping[str, Row]) -> dict[str, Row]:
    """Return the datasets that a map shows by the names of their tables, those that came with no file among them."""
    found: dict[str, Row] = {}
    for layer in described.get("layers") or ():
        name = (layer.get("options") or {}).get("table_name")
        if name and name not in found:
            dataset = files.get(str(name)) or await catalog.find_table(str(name))
            found |= {name: dataset} if dataset else {}
    return found


def _with_table(options: dict[str, Any], name: str) -> dict[str, Any]:
    """Have the options of a layer name the table that its own has become."""
    old = rf"\b{re.escape(options['table_name'])}\b"
    return {**options, "table_name": name, "query": re.sub(old, lambda _: name, str(options.get("query") or ""))}
