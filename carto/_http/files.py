"""Write what is downloaded into files, which are as before when anything fails."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from carto._http.wire import Block


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
    first = next(blocks, b"")
    with _opened(target, append) as file:
        file.write(first)
        file.writelines(blocks)


@contextlib.contextmanager
def _opened(target: Path, append: bool) -> Iterator[io.BufferedWriter]:
    exists = target.exists()
    if exists and not stat.S_ISREG(target.stat().st_mode):  # a device or a pipe
        with target.open("wb") as file:
            yield file
    elif exists and append:
        with _extended(target) as file:
            yield file
    else:
        with _replaced(target, exists) as file:
            yield file


@contextlib.contextmanager
def _extended(target: Path) -> Iterator[io.BufferedWriter]:
    with target.open("ab") as file:
        size = target.stat().st_size
        try:
            yield file
            file.flush()
        except BaseException:
            with contextlib.suppress(OSError):
                file.flush()
            os.truncate(target, size)
            raise


@contextlib.contextmanager
def _replaced(target: Path, exists: bool) -> Iterator[io.BufferedWriter]:
    """Write beside the target, and put the result in its place at the end."""
    written = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with written.open("xb") as file:
            yield file
        if exists:
            written.chmod(stat.S_IMODE(target.stat().st_mode))
        written.replace(target)
    finally:
        written.unlink(missing_ok=True)
