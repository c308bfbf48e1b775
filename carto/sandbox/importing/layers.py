"""Reads files with GDAL: which layers there are, what their columns are, their rows in batches."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Before GDAL is loaded: drivers that would open other files, or other hosts, on behalf of a file's contents.
os.environ["OGR_SKIP"] = "OGR_VRT,GDALG,HTTP,WFS,OAPIF,CSW,OGCAPI,EEDA,Elasticsearch,Carto,AmigoCloud,PLSCENES,NGW"

import nanoarrow
import pyogrio
import pyogrio.raw

from carto.sandbox.import_errors import ImportFailed
from carto.sandbox.importing import text_files
from carto.sandbox.importing.archives import DataFile

BATCH_ROWS = 5000
MAX_KML_LAYERS = 50
TABULAR = ("csv", "tsv", "txt")
SPREADSHEETS = ("xlsx", "xls", "ods")
_JSON = ("geojson", "json", "js")
_UNREADABLE = {
    **dict.fromkeys(TABULAR, 2003),
    **dict.fromkeys(_JSON, 3007),
    **dict.fromkeys(SPREADSHEETS, 1004),
    "xls": 2008,
    "shp": 1006,
}
_PG_TYPES = {
    "OFTInteger": "double precision",
    "OFTReal": "double precision",
    "OFTInteger64": "bigint",  # what does not fit into 32 bits may not fit into a double precision either
    "OFTDate": "timestamptz",
    "OFTDateTime": "timestamptz",
    "OFTBinary": "bytea",
}
_EWKB_SRID = 0x20000000

Row = list[Any]


@dataclass(frozen=True)
class Field:
    """A column of a layer: GDAL's name of it, and PostgreSQL's type for it."""

    name: str
    pg_type: str


@dataclass(frozen=True)
class Layer:
    """A layer of a file.

    Attributes:
        path: The file.
        format: Its extension.
        name: What the table would be called.
        gdal_name: What GDAL calls the layer.
        options: With which the file is opened.
        fields: Columns besides the geometry.
        has_geometry: Whether GDAL gives a geometry with each row.
        crs: Its reference system, as ``EPSG:n`` or WKT; None when not known.
        has_ids: Whether the row numbers of the file are its ``cartodb_id``, which comes before the fields.
    """

    path: Path
    format: str
    name: str
    gdal_name: str
    options: dict[str, str]
    fields: list[Field]
    has_geometry: bool
    crs: str | None
    has_ids: bool

    @property
    def srid(self) -> int | None:
        """The EPSG code of the geometries; None when their system has none that is known."""
        authority, _, code = (self.crs or "EPSG:4326").partition(":")
        return int(code) if authority == "EPSG" and code.isdigit() else None

    def rows(self) -> Iterator[Row]:
        """Give the rows: all fields, then the geometry, if any, as EWKB in hexadecimal.

        Raises:
            ImportFailed: The file ends in the middle, or is not what it seemed.
        """
        with _explained(self.path, self.format), self._opened() as stream:
            convert = [_CONVERSIONS.get(each.pg_type) for each in self.columns]
            if self.has_geometry:
                convert.append(_ewkb_writer(self.srid))
            for row in nanoarrow.ArrayStream(stream).iter_tuples():
                yield [
                    value if value is None or function is None else function(value)
                    for function, value in zip(convert, row, strict=True)
                ]

    @property
    def columns(self) -> list[Field]:
        """What each row begins with."""
        return [Field("cartodb_id", "bigint"), *self.fields] if self.has_ids else self.fields

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with pyogrio.raw.open_arrow(
            self.path,
            layer=self.gdal_name,
            batch_size=BATCH_ROWS,
            use_pyarrow=False,
            datetime_as_string=True,
            read_geometry=self.has_geometry,
            return_fids=self.has_ids,
            **self.options,
        ) as (_meta, stream):
            yield stream


def _as_json(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else _text(value)


def _text(value: Any) -> str:
    return str(value).replace("\0", "")


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"text": _as_json}


def _ewkb_writer(srid: int | None) -> Callable[[bytes], str]:
    """Return what writes a little-endian WKB as hexadecimal EWKB with an SRID; without one, as it is."""

    def write(wkb: bytes) -> str:
        if srid is None:
            return wkb.hex()
        kind: int = struct.unpack_from("<I", wkb, 1)[0]
        return (wkb[:1] + struct.pack("<II", kind | _EWKB_SRID, srid) + wkb[5:]).hex()

    return write


def layers_of(file: DataFile, *, guess_types: bool, guess_quoted: bool) -> list[Layer]:
    """List the layers of a file that have rows.

    Args:
        file: The file; one in another encoding gets a copy beside it.
        guess_types: Whether text that looks like something else becomes it.
        guess_quoted: Whether that includes quoted text.

    Raises:
        ImportFailed: The file can't be read; the code depends on its format.
    """
    with _explained(file.path, file.format):
        path, options = _prepared(file, guess_types, guess_quoted)
        names = [str(name) for name, _ in pyogrio.list_layers(path)]
        found = [_layer(file, path, name, options) for name in names]
    filled = [layer for layer in found if layer is not None]
    if file.format in ("kml", "kmz"):
        _check_kml(file, names, filled)
    if len(filled) == 1 and len(names) == 1:
        return [replace(filled[0], name=file.name)]
    return filled


def _prepared(file: DataFile, guess_types: bool, guess_quoted: bool) -> tuple[Path, dict[str, str]]:
    """Return the file in a form that GDAL reads, and the options to open it with."""
    if file.format in TABULAR:
        path = text_files.to_utf8(file.path)
        text_files.check_quotes(path)
        return path, _table_options(path, guess_types, guess_quoted)
    if file.format in _JSON:
        return text_files.to_utf8(file.path), {}
    if file.format == "xls":
        return _converted_xls(file.path), {}
    if file.format in SPREADSHEETS and not guess_types:
        return file.path, {"FIELD_TYPES": "STRING"}
    if file.format == "shp" and not file.path.with_suffix(".prj").exists():
        raise ImportFailed(3101, f"{file.path.name} has no .prj")
    return file.path, {}


def _table_options(path: Path, guess_types: bool, guess_quoted: bool) -> dict[str, str]:
    separators = {",": "COMMA", ";": "SEMICOLON", "\t": "TAB", "|": "PIPE"}
    separator = text_files.separator_of(path)
    return {
        "SEPARATOR": separators[separator],
        "HEADERS": "YES" if text_files.has_header(path, separator) else "NO",
        "AUTODETECT_TYPE": "YES" if guess_types else "NO",
        "AUTODETECT_SIZE_LIMIT": "0",  # look at every row
        "QUOTED_FIELDS_AS_STRING": "NO" if guess_quoted else "YES",
    }


def _converted_xls(path: Path) -> Path:
    """Write an old Excel file as a GeoPackage, by the GDAL that PostGIS brings along: pyogrio has no driver for it.

    Raises:
        ImportFailed: 1, there is no such GDAL; 2008, it can't read the file.
    """
    from carto.sandbox.formats import vector_translate  # here, since its package takes long to load

    target = path.with_suffix(".xls.gpkg")
    task = {"source": str(path), "target": str(target), "arguments": ["-f", "GPKG"]}
    run = subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, "-I", vector_translate.__file__],
        input=json.dumps(task), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode == vector_translate.NO_LIBRARY:
        raise ImportFailed(1, "XLS files need the library libgdal, XLSX files do not")
    if run.returncode:
        raise ImportFailed(2008, f"{path.name}: {run.stderr.strip().replace(f'{path.parent}/', '')}")
    return target


def _layer(file: DataFile, path: Path, gdal_name: str, options: dict[str, str]) -> Layer | None:
    """Describe a layer; None when it is empty."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what it skips
        info = pyogrio.read_info(path, layer=gdal_name, force_feature_count=True, **options)
    if not info["features"]:
        return None
    described = zip(info["fields"], info["ogr_types"], info["ogr_subtypes"], strict=True)
    return Layer(
        path=path,
        format=file.format,
        name=gdal_name if gdal_name.startswith(file.name) else f"{file.name}_{gdal_name}",
        gdal_name=gdal_name,
        options=options,
        fields=[Field(str(name), _pg_type(kind, subtype)) for name, kind, subtype in described],
        # GDAL knows WKT in tables, but not EWKT; both are left to PostGIS.
        has_geometry=info["geometry_type"] is not None and file.format not in TABULAR,
        crs=info["crs"],
        has_ids=info["fid_column"] == "cartodb_id",
    )


def _pg_type(ogr_type: str, subtype: str) -> str:
    return "boolean" if subtype == "OFSTBoolean" and "List" not in ogr_type else _PG_TYPES.get(ogr_type, "text")


def _check_kml(file: DataFile, names: list[str], filled: list[Layer]) -> None:
    if len(names) > MAX_KML_LAYERS:
        raise ImportFailed(1019, f"{file.path.name} has {len(names)} layers")
    if not filled and file.format == "kml" and b"<NetworkLink" in file.path.read_bytes():
        raise ImportFailed(3202, f"{file.path.name} holds nothing but links")


@contextmanager
def _explained(path: Path, extension: str) -> Iterator[None]:
    """Give GDAL's errors the code that fits the format."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ImportFailed(2006, f"{path.name}: {error}") from error
    except RuntimeError as error:  # pyogrio's and nanoarrow's errors are all of this class
        if extension in _JSON:
            text_files.check_json(path)
        reason = str(error).replace(f"{path.parent}/", "")
        raise ImportFailed(_UNREADABLE.get(extension, 2001), f"{path.name}: {reason}") from error
