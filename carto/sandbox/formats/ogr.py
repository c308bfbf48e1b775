"""The formats that the servers leave to GDAL's ogr2ogr: CSV, KML, SHP, SpatiaLite and GeoPackage."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from psycopg import conninfo as conninfo_text
from psycopg import sql as sql_text

from carto.sandbox.errors import ApiError, sql_error
from carto.sandbox.formats import vector_translate
from carto.sandbox.formats.base import Producer, Run
from carto.sandbox.formats.column_order import geometry_first
from carto.sandbox.node_types import Column

FILE_PIECE = 1 << 16  # bytes
BASENAME = "cartodb-query"
_NOTICES_CLOSED_CLIENTS = 140000  # the first PostgreSQL that can look whether its client is still there
MAX_PROCESSES = 4  # at once, each with a connection of its own
_LAYER_OPTIONS = ("RESIZE=YES", "ENCODING=UTF-8", "LINEFORMAT=CRLF")


_processes = asyncio.Semaphore(MAX_PROCESSES)


async def produce_csv(run: Run) -> AsyncIterator[bytes]:
    """Write CSV, every value as PostgreSQL's text of it."""
    columns = [f"{_quoted(column.name)}::text" for column in await _columns(run)]
    arguments = ["-lco", "STRING_QUOTING=IF_NEEDED"]
    with tempfile.TemporaryDirectory(dir=run.scratch_dir) as directory:
        target = Path(directory, f"{BASENAME}.csv")
        await _translate(run, "CSV", columns, target, arguments)
        async for piece in _pieces_of(target):
            yield piece


async def produce_shapefile(run: Run) -> AsyncIterator[bytes]:
    """Write a shapefile, zipped with what belongs to it."""
    with tempfile.TemporaryDirectory(dir=run.scratch_dir) as directory:
        files = Path(directory, "files")
        files.mkdir()
        target = files / f"{run.parameters.filename}.shp"
        await _translate_with_geometry(run, "ESRI Shapefile", target)
        archive = Path(directory, "archive.zip")
        await asyncio.to_thread(_zip, files, archive)
        async for piece in _pieces_of(archive):
            yield piece


def single_file(driver: str, extension: str) -> Producer:
    """Make the producer of a format that GDAL writes into one file.

    Args:
        driver: GDAL's name of the format.
        extension: Extension of the file.
    """

    async def produce(run: Run) -> AsyncIterator[bytes]:
        with tempfile.TemporaryDirectory(dir=run.scratch_dir) as directory:
            target = Path(directory, f"{BASENAME}.{extension}")
            await _translate_with_geometry(run, driver, target)
            async for piece in _pieces_of(target):
                yield piece

    return produce


async def _translate_with_geometry(run: Run, driver: str, target: Path) -> None:
    columns = await _columns(run)
    geometry = next((c.name for c in columns if run.type_names.get(c.oid) == "geometry"), None)
    arguments = await _geometry_arguments(run, geometry) if geometry else []
    await _translate(run, driver, [_quoted(column.name) for column in columns], target, arguments)


async def _columns(run: Run) -> list[Column]:
    """Ask for the columns of the query, without its rows."""
    execution = run.execute(f"SELECT * FROM ({run.parameters.sql}) as _cartodbsqlapi LIMIT 0")  # noqa: S608
    await execution.run()
    kept = [column for column in execution.columns if column.name not in run.parameters.skipfields]
    return geometry_first(kept)


async def _geometry_arguments(run: Run, geometry: str) -> list[str]:
    """Tell GDAL the projection and the type of the first geometry there is."""
    column = _quoted(geometry)
    execution = run.execute(
        f"SELECT ST_Srid({column}) as srid, GeometryType({column}) as type"  # noqa: S608 -- the caller's own SQL
        f" FROM ({run.parameters.sql}) as _cartodbsqlapi WHERE {column} is not null limit 1"
    )
    async for batch in execution.batches():
        srid, kind = (batch[0].get_value(0, index) or b"" for index in (0, 1))
        projection = ["-a_srs", f"EPSG:{srid.decode()}"] if srid != b"0" else []
        return [*projection, "-nlt", kind.decode()]
    return []


async def _translate(run: Run, driver: str, columns: list[str], target: Path, arguments: list[str]) -> None:
    """Let GDAL write the query into a file.

    Raises:
        ApiError: It could not.
    """
    layer_options = [word for option in _LAYER_OPTIONS for word in ("-lco", option)]
    query = f"SELECT {','.join(columns)} FROM ({run.parameters.sql}) as _cartodbsqlapi"  # noqa: S608
    task = {
        "source": f"PG:{_connection(run)}",
        "target": str(target),
        "arguments": ["-f", driver, *layer_options, "-sql", query, *arguments, "-nln", run.parameters.filename],
    }
    code, said = await run_translation(task)
    if code:
        raise _failure(code, said, target)


async def run_translation(task: Mapping[str, Any]) -> tuple[int, str]:
    """Run GDAL in a process of its own, when not too many others do.

    Args:
        task: As `vector_translate` reads it.

    Returns:
        Its exit status and what it wrote to standard error.
    """
    async with _processes:
        code, said = await _run_process(json.dumps(task).encode())
    return code, said.decode("utf-8", "replace")


async def _run_process(task: bytes) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        vector_translate.__file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate(task)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said


def _connection(run: Run) -> str:
    """Return the caller's connection string, so that a query ends when nobody waits for it any more."""
    if run.connection.info.server_version < _NOTICES_CLOSED_CLIENTS:
        return run.conninfo
    return conninfo_text.make_conninfo(run.conninfo, options="-c client_connection_check_interval=1s")


def _failure(code: int, said: str, target: Path) -> ApiError:
    if code == vector_translate.NO_LIBRARY:
        return ApiError(500, "This format needs the library of GDAL, which PostGIS for Debian brings along: libgdal")
    said = re.sub("(?m)^(?=ERROR )", "\n", said.replace(f"{target.parent}/", "…:"))
    return sql_error(f"ogr2ogr command return code {code}, Error: {said}")


async def _pieces_of(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, FILE_PIECE):
            yield piece


def _zip(files: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for file in sorted(files.iterdir()):
            packed.write(file, file.name)


def _quoted(name: str) -> str:
    return sql_text.Identifier(name).as_string()
