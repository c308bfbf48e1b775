"""GeoJSON: one feature a row, its geometry from the column the_geom, written while the rows come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from psycopg.pq.abc import PGresult

from carto.sandbox import javascript
from carto.sandbox.execution import Execution
from carto.sandbox.formats.base import Run
from carto.sandbox.formats.rows import RowEncoder, RowStream, row_encoder
from carto.sandbox.node_types import encoders

GEOMETRY = "the_geom"
MERCATOR_GEOMETRY = "the_geom_webmercator"

_ENCODERS = encoders(javascript.as_null)


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Write the feature collection."""
    execution = run.execute(features_sql(run))
    before, after = run.parameters.jsonp_frame
    head = before + '{"type": "FeatureCollection", "features": ['
    features = RowStream(execution, head, lambda: _feature_encoder(run, execution))
    async for piece in features.pieces():
        yield piece
    error = f',"error":{javascript.stringify([features.failure.message])}' if features.failure else ""
    yield f"{features.rest}]{error}}}{after}".encode()


def features_sql(run: Run) -> str:
    """Return the query with its geometry as GeoJSON text, in a last column."""
    decimals, sql = run.parameters.decimals, run.parameters.sql
    return f"SELECT *, ST_AsGeoJSON({GEOMETRY},{decimals}) as {GEOMETRY} FROM ({sql}) as foo"  # noqa: S608


def properties_encoder(run: Run, execution: Execution) -> RowEncoder:
    """Make the function that writes all columns but the geometries."""
    skipped = {GEOMETRY, MERCATOR_GEOMETRY, *run.parameters.skipfields}
    return row_encoder(execution.columns, skipped, _ENCODERS)


def geometry_index(execution: Execution) -> int:
    """Return where the GeoJSON text stands: in the last of the columns of that name."""
    return max(index for index, column in enumerate(execution.columns) if column.name == GEOMETRY)


def _feature_encoder(run: Run, execution: Execution) -> RowEncoder:
    geometry = geometry_index(execution)
    encode_properties = properties_encoder(run, execution)

    def encode(row: PGresult) -> str:
        shape = (row.get_value(0, geometry) or b"null").decode()
        return f'{{"type":"Feature","geometry":{shape},"properties":{encode_properties(row)}}}'

    return encode
