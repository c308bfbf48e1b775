"""Write what is downloaded into files, which are as before when anything fails.

They have no buffer, which would cut blocks in two: what is to be written at once is gathered here.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from carto._http.wire import Block

_WRITTEN_AT_ONCE = 262144
#: Fewer than systems take with one call.
_MOST_BLOCKS = 64


def writable_target(path: str | os.PathLike[str]) -> Path:
    """Find out before the request what would fail after it.

    Args:
        path: The file to write; a symbolic link is followed.

    Returns:
        The file that it leads to.

    Raises:
        OSError: It is a directory, is in none, or may not be written.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    return target


def write_blocks(target: Path, blocks: Iterator[Block], append: bool = False) -> None:
    """Write blocks that may fail to come: then the file is as before.

    Args:
        target: The file, as `writable_target` gave it. It is not touched before the first block is there.
        blocks: What to write.
        append: Whether to add to an existing file in place of replacing it.
    """
    groups = _grouped(blocks)
    first = next(groups, [])
    with _opened(target, append) as file:
        for group in filter(None, itertools.chain([first], groups)):
            _write_group(file, group)


def _grouped(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Gather blocks until they are worth a write: 64 KB at a time cost half as much again."""
    group: list[Block] = []
    size = 0
    for block in blocks:
        group.append(block)
        size += len(block)
        if size >= _WRITTEN_AT_ONCE or len(group) == _MOST_BLOCKS:
            yield group
            group, size = [], 0
    yield group


def _write_group(file: io.FileIO, group: list[Block]) -> None:
    written = os.writev(file.fileno(), group) if hasattr(os, "writev") else 0  # Windows has no such call
    if written < sum(map(len, group)):
        write_whole(file, b"".join(group)[written:])


def write_whole(file: Any, block: Block) -> None:
    """Write a block to a file that may take only a part of it, as files without a buffer do.

    Args:
        file: Any object with `write`.
        block: What to write.
    """
    rest = block if isinstance(file, io.IOBase) else bytes(block)  # others may know nothing but bytes
    while rest:
        written = file.write(rest)
        rest = rest[written:] if isinstance(written, int) and written > 0 else b""


@contextlib.contextmanager
def _opened(target: Path, append: bool) -> Iterator[io.FileIO]:
    exists = target.exists()
    if exists and not stat.S_ISREG(target.stat().st_mode):  # a device or a pipe
        with target.open("wb", buffering=0) as file:
            yield file
    elif exists and append:
        with _extended(target) as file:
            yield file
    else:
        with _replaced(target, exists) as file:
            yield file


@contextlib.contextmanager
def _extended(target: Path) -> Iterator[io.FileIO]:
    with target.open("ab", buffering=0) as file:
        size = target.stat().st_size
        try:
            yield file
        except BaseException:
            os.truncate(target, size)
            raise


@contextlib.contextmanager
def _replaced(target: Path, exists: bool) -> Iterator[io.FileIO]:
    """Write beside the target, and put the result in its place at the end."""
    written = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with written.open("xb", buffering=0) as file:
            yield file
        if exists:
            written.chmod(stat.S_IMODE(target.stat().st_mode))
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
