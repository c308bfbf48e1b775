"""Takes archives apart: which files in them can be imported, and the map of a .carto file."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote

from carto.sandbox.import_errors import ImportFailed

DATA_EXTENSIONS = frozenset(
    "csv tsv txt geojson json js shp gpkg kml kmz gpx xlsx xls ods tab gdb fgdb osm".split()  # noqa: SIM905
)
MAP_FILES = ("export.json", ".carto.json")
MAX_EXPANSION = 10
"""How many times as large as the largest file an archive's contents may be."""

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz")
_COPY_BYTES = 1 << 20
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)


@dataclass(frozen=True)
class DataFile:
    """A file that GDAL can read.

    Attributes:
        path: Where it is; its extension is the format's, in lower case.
        name: What it is called, without the extension.
    """

    path: Path
    name: str

    @property
    def format(self) -> str:
        """Its extension, without the dot."""
        return self.path.suffix[1:]


@dataclass
class Contents:
    """What there is to import.

    Attributes:
        files: In the order in which they become tables.
        map: The map of a .carto file.
    """

    files: list[DataFile] = field(default_factory=list)
    map: dict[str, Any] | None = None


def unpack(path: Path, filename: str, directory: Path, max_bytes: int) -> Contents:
    """Find what can be imported in a file, unpacking it at need.

    Args:
        path: Where the file is.
        filename: What the user calls it.
        directory: Where unpacked files go.
        max_bytes: The largest file that may be imported.

    Raises:
        ImportFailed: 1002, 1003, 1005, 1018 or 6666.
    """
    if not path.stat().st_size:
        raise ImportFailed(1005, f"{filename} has no bytes")
    name = filename.lower()
    space = _Space(directory, max_bytes * MAX_EXPANSION)
    with _as_import_errors(filename):
        if name.endswith((".zip", ".carto")):
            _unzip(path, space)
        elif name.endswith(_TAR_ENDINGS):
            _untar(path, space)
        elif name.endswith((".gz", ".bz2")):
            _decompress(path, filename, space)
        else:
            space.link(path, filename)
    contents = _contents_of(directory)
    if not contents.files and contents.map is None:  # a map may show nothing yet
        raise ImportFailed(1002, f"{filename} is, or holds, no file of a known format")
    return contents


@contextmanager
def _as_import_errors(filename: str) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGED, gzip.BadGzipFile) as error:
        raise ImportFailed(1003, f"{filename}: {error}") from error
    except OSError as error:
        # bz2 tells of damaged data by an OSError without a number.
        raise ImportFailed(1000 if error.errno else 1003, f"{filename}: {error}") from error


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Space:
    """A directory into which no more than so many bytes are unpacked.

    Args:
        directory: Where files go.
        bytes_left: How many may be written.
    """

    def __init__(self, directory: Path, bytes_left: int) -> None:
        self._directory = directory
        self._bytes_left = bytes_left

    def place(self, name: str) -> Path | None:
        """Return where a member of an archive goes, its extension in lower case; None to leave it out."""
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or any(part.startswith(".") or part in ("/", "__MACOSX") for part in parts):
            return None
        target = self._directory.joinpath(*parts)
        target = target.with_name(target.stem + target.suffix.lower())
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def write(self, name: str, source: _Readable) -> None:
        """Copy a member out of an archive.

        Raises:
            ImportFailed: 6666, there is too much in it.
        """
        target = self.place(name)
        if target is None:
            return
        with target.open("wb") as file:
            while piece := source.read(_COPY_BYTES):
                self._bytes_left -= len(piece)
                if self._bytes_left < 0:
                    raise ImportFailed(6666, f"there is too much in the archive, at {name}")
                file.write(piece)

    def link(self, path: Path, filename: str) -> None:
        """Give a file that is no archive its place."""
        target = self.place(filename.replace("/", "_").lstrip("."))
        if target is not None:
            target.symlink_to(path)


def _unzip(path: Path, space: _Space) -> None:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.flag_bits & 1:
                raise ImportFailed(1018, f"{member.filename} is encrypted")
            if not member.is_dir():
                with archive.open(member) as source:
                    space.write(member.filename, source)


def _untar(path: Path, space: _Space) -> None:
    with tarfile.open(path) as archive:
        for member in archive:
            source = archive.extractfile(member) if member.isreg() else None
            if source is not None:
                space.write(member.name, source)


def _decompress(path: Path, filename: str, space: _Space) -> None:
    with path.open("rb") as packed:
        opened = gzip.GzipFile(fileobj=packed) if filename.lower().endswith(".gz") else bz2.BZ2File(packed)
        with opened as source:
            space.write(filename.rpartition(".")[0], source)


def _contents_of(directory: Path) -> Contents:
    contents = Contents()
    for path in sorted(directory.rglob("*")):
        if path.name.endswith(MAP_FILES):
            contents.map = _map_of(path)
        elif path.suffix[1:] in DATA_EXTENSIONS and not _is_within_geodatabase(path, directory):
            contents.files.append(DataFile(path, path.stem))
    if contents.map is not None:  # its files are named after tables, whose names may hold what those of files can't
        contents.files = [replace(file, name=unquote(file.name)) for file in contents.files]
    return contents


def _is_within_geodatabase(path: Path, directory: Path) -> bool:
    """Whether a file is a part of an Esri geodatabase, which is a directory."""
    return any(parent.suffix == ".gdb" for parent in path.relative_to(directory).parents)


def _map_of(path: Path) -> dict[str, Any] | None:
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ImportFailed(1003, f"{path.name} is not JSON: {error}") from error
    return described if isinstance(described, dict) else None

