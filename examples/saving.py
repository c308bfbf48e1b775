"""Save what is exported: names of files, files that are never left half written, and one report for all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from terminal import fail, print_table, require, size_text, with_progress

from carto.exceptions import CartoJobException, CartoResponseException, CartoUnauthorizedException

#: What one file system or another does not take in a name.
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
#: Bytes of a name; file systems take 255, some of which are for its ending.
_LONGEST_NAME = 200


class Named(Protocol):
    """A dataset or a map."""

    name: str


N = TypeVar("N", bound=Named)


def file_names(names: Sequence[str], extension: str) -> list[str]:
    """Make a file name of each name, and no two alike, also where upper case does not count.

    Args:
        names: Names of datasets or maps.
        extension: The ending, without its dot.

    Returns:
        The file names, in the same order.
    """
    taken: set[str] = set()
    found = []
    for name in names:
        stem = _UNSAFE.sub("_", name).strip(". ").encode()[:_LONGEST_NAME].decode(errors="ignore") or "_"
        unique, number = stem, 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{stem}-{number}"
        taken.add(unique.casefold())
        found.append(f"{unique}.{extension}")
    return found


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and then move it there: if the disk is full, the old one is still whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def save_all(kind: str, items: Sequence[N], folder: Path, extension: str, save: Callable[[N, Path], None]) -> None:
    """Save one after the other in a folder, print what was saved, and name at the end what could not be.

    Args:
        kind: What they are: datasets or maps.
        items: The datasets or maps.
        folder: Where the files go; it is made where it does not exist.
        extension: The ending of the files.
        save: Saves one of them in a file.
    """
    if not items:
        print(f"There are no {kind} in this account.")
        return
    require("prettytable")  # before all the work, whose table it prints
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in file_names([item.name for item in items], extension)]
    saved, failures = [], []
    for item, path in with_progress(list(zip(items, paths, strict=True)), "exporting", f" {kind}"):
        try:
            save(item, path)
        except CartoUnauthorizedException:
            raise  # the others would fare no better
        except (CartoResponseException, CartoJobException) as error:
            failures.append(f"{item.name} ({' '.join(str(error).split())})")
        else:
            saved.append((item.name, size_text(path.stat().st_size), path))
    print_table(("name", "size", "file"), saved)
    if failures:
        fail(f"{len(failures)} of {len(items)} {kind} could not be exported: {'; '.join(failures)}")
