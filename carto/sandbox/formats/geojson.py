"""GeoJSON: one feature a row, its geometry from the column the_geom, written while the rows come."""

from __future__ import annotations

from collections.abc import AsyncIterator

from psycopg.pq.abc import PGresult

from carto.sandbox import javascript
from carto.sandbox.errors import ApiError
from carto.sandbox.execution import Execution
from carto.sandbox.formats.base import CHUNK_CHARACTERS, Run
from carto.sandbox.formats.json import RowEncoder, row_encoder
from carto.sandbox.node_types import encoders

GEOMETRY = "the_geom"
MERCATOR_GEOMETRY = "the_geom_webmercator"

_ENCODERS = encoders(javascript.as_null)


def features_sql(run: Run) -> str:
    """Return the query with its geometry as GeoJSON text, in a last column."""
    decimals, sql = run.parameters.decimals, run.parameters.sql
    return f"SELECT *, ST_AsGeoJSON({GEOMETRY},{decimals}) as {GEOMETRY} FROM ({sql}) as foo"  # noqa: S608


async def produce(run: Run) -> AsyncIterator[bytes]:
    """Write the feature collection."""
    execution = run.execute(features_sql(run))
    callback = run.parameters.callback
    failure = ""
    count = 0
    text = f"{callback}(" if callback else ""
    text += '{"type": "FeatureCollection", "features": ['
    try:
        async for batch in execution.batches():
            encode = _feature_encoder(run, execution)
            text += "," if count else ""
            text += ",".join(map(encode, batch))
            count += len(batch)
            if len(text) >= CHUNK_CHARACTERS:
                yield text.encode()
                text = ""
    except ApiError as error:
        if not count:
            raise
        failure = f',"error":{javascript.stringify([error.message])}'
    yield f"{text}]{failure}}}{')' if callback else ''}".encode()


def _feature_encoder(run: Run, execution: Execution) -> RowEncoder:
    geometry = max(i for i, column in enumerate(execution.columns) if column.name == GEOMETRY)
    skipped = {GEOMETRY, MERCATOR_GEOMETRY, *run.parameters.skipfields}
    encode_properties = row_encoder(execution.columns, skipped, _ENCODERS)

    def encode(row: PGresult) -> str:
        shape = (row.get_value(0, geometry) or b"null").decode()
        return f'{{"type":"Feature","geometry":{shape},"properties":{encode_properties(row)}}}'

    return encode
