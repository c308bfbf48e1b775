"""Forms: what a real parser reads, their length, and what they keep in memory."""

import io
import os
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from carto._http.multipart import FileForm, SizedBody, of_known_size
from tests.unit.forms import Part, parts_of

#: The parser takes two backslashes for one that is quoted; browsers and requests quote none.
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1).filter(str.strip)


@given(NAMES, st.binary(max_size=5000))
@example("café ñandú 東京.csv", b"a,b\r\n1,2\r\n")
@example('a"b;c=d.csv', b"\r\n--x--\r\n")
@example("plain.csv", b"")
@example("one\\two.csv", b"")
def test_a_real_parser_reads_what_was_sent(filename, content):
    form = FileForm("file", filename, content)
    body = b"".join(form)
    assert parts_of(form.content_type, body) == [Part("file", filename.replace('"', "%22"), content)]
    assert len(form) == len(body)


@given(NAMES, st.binary(max_size=200))
def test_it_is_the_form_that_requests_would_build(filename, content):
    ours = FileForm("file", filename, content)
    theirs = requests.Request("POST", "http://localhost/", files={"file": (filename, content)}).prepare()
    assert parts_of(ours.content_type, b"".join(ours)) == parts_of(theirs.headers["Content-Type"], theirs.body)


def test_line_breaks_in_a_name_do_not_leave_the_header():
    form = FileForm("file", 'a\r\nX-Evil: 1\r\n\r\n".csv', b"data")
    (part,) = parts_of(form.content_type, b"".join(form))
    assert part == Part("file", "a%0D%0AX-Evil: 1%0D%0A%0D%0A%22.csv", b"data")


def test_a_name_from_a_system_without_utf8_can_be_sent():
    form = FileForm("file", os.fsdecode(b"caf\xe9.csv"), b"data")
    assert parts_of(form.content_type, b"".join(form)) == [Part("file", "caf?.csv", b"data")]


def test_boundaries_are_never_the_same():
    assert len({FileForm("file", "a.csv", b"").content_type for _ in range(100)}) == 100


@pytest.mark.parametrize("position", [0, 3])
def test_a_file_is_sent_from_where_it_stands_and_again(tmp_path, position):
    (tmp_path / "a.csv").write_bytes(b"abcdefgh")
    with (tmp_path / "a.csv").open("rb") as file:
        file.seek(position)
        form = FileForm("file", "a.csv", file)
        for _ in range(2):
            body = b"".join(form)
            assert len(body) == len(form)
            assert parts_of(form.content_type, body)[0].content == b"abcdefgh"[position:]


def piped(content):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)
    return os.fdopen(reading, "rb")


def zipped(content):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("inside.csv", content)
    return zipfile.ZipFile(archive).open("inside.csv")


def text_file(content):
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")


@pytest.mark.parametrize("source", [piped, zipped, text_file, lambda content: iter([content[:2], content[2:]]),
                                    lambda content: memoryview(content)])
@pytest.mark.usefixtures("no_leaks")
def test_a_source_without_a_size_gets_one(source):
    content = "a,b\r\n1,ñ\r\n".encode()
    unsized = source(content)
    assert FileForm("file", "a.csv", unsized).size() is None
    with of_known_size(unsized) as sized:
        form = FileForm("file", "a.csv", sized)
        body = b"".join(form)
        assert len(form) == len(body)
    assert parts_of(form.content_type, body)[0].content == content
    if hasattr(unsized, "close"):
        unsized.close()


@pytest.mark.parametrize(("source", "headers"), [
    (b"abc", {"Content-Length": "3"}), (io.BytesIO(b"abc"), {"Content-Length": "3"}),
    ([b"a", b"bc"], {"Transfer-Encoding": "chunked"}), (iter([]), {"Transfer-Encoding": "chunked"})])
def test_a_body_tells_its_size_or_is_sent_in_chunks(source, headers):
    auth = requests.auth.HTTPBasicAuth("me", "key")
    request = requests.Request("POST", "http://localhost/", data=SizedBody(source), auth=auth).prepare()
    assert {name: value for name, value in request.headers.items() if name != "Authorization"} == headers


@pytest.mark.parametrize("source", [b"abc", bytearray(b"abc"), io.BytesIO(b"abc"), Path(__file__)])
def test_a_source_of_known_size_is_not_copied(source):
    with of_known_size(source) as sized:
        assert sized is source


@pytest.mark.usefixtures("no_leaks")
def test_a_source_that_fails_raises_its_own_error():
    def rows():
        yield b"a"
        raise ZeroDivisionError("the producer's own")

    with pytest.raises(ZeroDivisionError, match="the producer's own") as caught, of_known_size(rows()):
        raise AssertionError("not reached")
    assert caught.value.__context__ is None


def test_memory_is_bounded_by_the_chunk(tmp_path):
    with (tmp_path / "big.csv").open("wb") as file:
        file.truncate(50_000_000)
    with (tmp_path / "big.csv").open("rb") as file:
        form = FileForm("file", "big.csv", file)
        tracemalloc.start()
        sent = sum(map(len, form))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert sent == len(form) > 50_000_000
    assert peak < 1_000_000
