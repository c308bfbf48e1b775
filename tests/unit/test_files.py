"""Files that downloads are written into."""

from __future__ import annotations

import errno
import io
import os
import tempfile
from pathlib import Path

import pytest

from carto._http.files import writable_target, write_blocks, write_whole

BLOCKS = [b"%d," % number for number in range(1000)] + [memoryview(b"x" * 300_000), b"", b"end"]
DATA = b"".join(BLOCKS)


@pytest.mark.parametrize("append", [False, True])
def test_blocks_of_all_sizes_are_written_in_their_order(tmp_path, append):
    target = tmp_path / "data"
    target.write_bytes(b"before")
    write_blocks(target, iter(BLOCKS), append)
    assert target.read_bytes() == (b"before" if append else b"") + DATA


@pytest.mark.parametrize("taken", [0, 7, 100_000])
def test_a_file_may_take_a_part_of_what_it_is_given(tmp_path, monkeypatch, taken):
    monkeypatch.setattr(os, "writev", lambda number, group: os.write(number, b"".join(group)[:taken]))
    write_blocks(tmp_path / "data", iter(BLOCKS))
    assert (tmp_path / "data").read_bytes() == DATA


def test_systems_without_writev(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "writev")
    write_blocks(tmp_path / "data", iter(BLOCKS))
    assert (tmp_path / "data").read_bytes() == DATA


def test_no_data_make_an_empty_file(tmp_path):
    write_blocks(tmp_path / "data", iter([]))
    assert (tmp_path / "data").read_bytes() == b""


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("before", [1, 100, 2000])
def test_a_failure_on_the_way_leaves_the_file_as_it_was(tmp_path, append, before):
    def failing():
        yield from [b"x" * 1000] * before
        raise ConnectionError("gone")

    target = tmp_path / "data"
    target.write_bytes(b"before")
    with pytest.raises(ConnectionError, match="gone"):
        write_blocks(target, failing(), append)
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def blocks_that_fail(first_comes):
    if first_comes:
        yield from BLOCKS
    raise ConnectionError("gone")


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """Seem not to be allowed to write to a directory; root may."""
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and allowed(path, mode))
    return tmp_path


@pytest.mark.parametrize("append", [False, True])
def test_a_file_in_a_directory_that_cannot_be_written_is_written_itself(unwritable, append):
    path = unwritable / "data"
    path.write_bytes(b"before")
    before = path.stat().st_ino
    with pytest.raises(ConnectionError):
        write_blocks(writable_target(path), blocks_that_fail(first_comes=False), append)
    assert path.read_bytes() == b"before"
    write_blocks(writable_target(path), iter(BLOCKS), append)
    assert path.read_bytes() == (b"before" if append else b"") + DATA
    assert path.stat().st_ino == before


def test_a_new_file_in_a_directory_that_cannot_be_written_is_refused(unwritable):
    with pytest.raises(PermissionError):
        writable_target(unwritable / "data")


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EACCES])
def test_a_file_that_cannot_be_replaced_is_written_at_the_end(tmp_path, monkeypatch, number):
    def refuse(_path, _target):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "data"
    path.write_bytes(b"before")
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConnectionError):
        write_blocks(writable_target(path), blocks_that_fail(first_comes=True))
    assert path.read_bytes() == b"before"
    write_blocks(writable_target(path), iter(BLOCKS))
    assert path.read_bytes() == DATA
    assert list(tmp_path.iterdir()) == [path]


def test_another_failure_of_replacing_is_raised(tmp_path, monkeypatch):
    def fail(_path, _target):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "data"
    path.write_bytes(b"before")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_blocks(writable_target(path), iter(BLOCKS))
    assert path.read_bytes() == b"before"


def test_a_long_name(tmp_path):
    path = tmp_path / ("é" * 127)
    write_blocks(writable_target(path), iter(BLOCKS))
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("link", [False, True])
def test_a_pipe_is_written_by_its_descriptor(tmp_path, link):
    reading, writing = os.pipe()
    path = Path(f"/dev/fd/{writing}")
    if link:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with open(reading, "rb") as file:
        write_blocks(writable_target(path), iter([b"one,", b"two"]))
        os.close(writing)
        assert file.read() == b"one,two"


def test_a_file_without_a_name_is_written_by_its_descriptor(tmp_path):
    with tempfile.TemporaryFile(dir=tmp_path) as file:
        write_blocks(writable_target(f"/dev/fd/{file.fileno()}"), iter(BLOCKS))
        assert file.read() == DATA
    assert list(tmp_path.iterdir()) == []


def test_a_file_behind_a_descriptor_keeps_its_place(tmp_path):
    with (tmp_path / "data").open("ab") as file:
        write_blocks(writable_target(f"/proc/self/fd/{file.fileno()}"), iter(BLOCKS))
        file.write(b"more")
    assert (tmp_path / "data").read_bytes() == DATA + b"more"


def test_a_raw_file_that_does_not_wait_is_not_taken_for_written():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with open(reading, "rb"), open(writing, "wb", buffering=0) as file, pytest.raises(BlockingIOError):
        write_whole(file, b"x" * 10_000_000)


def test_another_file_may_say_nothing_of_what_it_took():
    class Told(io.BytesIO):
        def write(self, block):
            super().write(block)

    file = Told()
    write_whole(file, b"all of it")
    assert file.getvalue() == b"all of it"
