"""Files that downloads are written into."""

from __future__ import annotations

import os

import pytest

from carto._http.files import write_blocks

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
