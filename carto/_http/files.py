"""Write what is downloaded into files, which are as before when anything fails.

Where nothing can be put in a file's place, it is written itself, and is as before only until the first block is there.
The files have no buffer, which would cut blocks in two: what is to be written at once is gathered here.
"""

from __future__ import annotations

import contextlib
import errno
import io
import itertools
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from carto._http.wire import Block

_WRITTEN_AT_ONCE = 262144
#: Fewer than systems take with one call.
_MOST_BLOCKS = 64
#: Names of what is open already: the file behind one may have no other name, or be written by others as well.
_DESCRIPTOR = r"/dev/(?:fd/|std(?:out|err)$)|/proc/"
#: A file that is mounted by itself can't be replaced, nor another user's in a directory that all may write to.
_NOT_REPLACED = (errno.EBUSY, errno.EPERM, errno.EACCES)


def writable_target(path: str | os.PathLike[str]) -> Path:
    """Find out before the request what would fail after it.

    Args:
        path: The file to write; a symbolic link is followed.

    Returns:
        The file that it leads to, or the same for a device, a pipe or a file descriptor.

    Raises:
        OSError: It is a directory, is in none, or may not be written.
    """
    target = Path(path if _is_fixed(path) else os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(target.parent))
    written = target if target.exists() else target.parent
    if not os.access(written, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(written))
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

    Raises:
        BlockingIOError: The file takes nothing now, and does not wait until it can.
    """
    rest = block if isinstance(file, io.IOBase) else bytes(block)  # others may know nothing but bytes
    while rest:
        written = file.write(rest)
        if written is None and isinstance(file, io.RawIOBase):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        rest = rest[written:] if isinstance(written, int) and written > 0 else b""


@contextlib.contextmanager
def _opened(target: Path, append: bool) -> Iterator[io.FileIO]:
    exists = target.exists()
    if append and target.is_file():
        with _extended(target) as file:
            yield file
    elif _is_fixed(target) or (exists and not os.access(target.parent, os.W_OK | os.X_OK)):
        with target.open("wb", buffering=0) as file:
            yield file
    else:
        with _replaced(target, exists) as file:
            yield file


def _is_fixed(path: str | os.PathLike[str]) -> bool:
    """Tell devices, pipes and descriptors from files in a directory, where another file can take their place."""
    is_descriptor = re.match(_DESCRIPTOR, os.path.abspath(path)) is not None
    return is_descriptor or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path))


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
    written = target.with_name(f".{target.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        with written.open("xb", buffering=0) as file:
            yield file
        if exists:
            written.chmod(stat.S_IMODE(target.stat().st_mode))
        _put_in_place(written, target)
    finally:
        written.unlink(missing_ok=True)


def _put_in_place(written: Path, target: Path) -> None:
    try:
        written.replace(target)
    except OSError as error:
        if error.errno not in _NOT_REPLACED:
            raise
        shutil.copyfile(written, target)
