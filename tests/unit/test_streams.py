"""Bodies as streams: what is sent, chunk by chunk, and what is read, to its end or not at all."""

import csv
import gzip
import io
import os
import time
import types
import zlib

import pandas
import pytest
import requests
import responses

from carto._http import streams
from carto._http.session import is_replayable
from carto._http.streams import CHUNK_SIZE, ProducerFailed, UploadBody, read_blocks
from carto.exceptions import CartoConnectionException, CartoTimeoutException, CartoUsageException
from carto.utils import ResponseStream
from tests.unit.raw_server import RawServer

URL = "https://me.carto.com/data"
NOISE = os.urandom(300_000)


@pytest.fixture(params=["isal", "zlib"])
def codec(request, monkeypatch):
    """With the extra `speed` and without it."""
    if request.param == "zlib":
        monkeypatch.setattr(streams, "fast_zlib", zlib)
    else:
        assert streams.fast_zlib.__name__ == "isal.isal_zlib"


def body_of(source, level=None):
    return b"".join(UploadBody(source, level))


@pytest.mark.parametrize("source", [
    b"a,b\n", bytearray(b"a,b\n"), memoryview(b"a,b\n"), "a,b\n", [b"a,", b"b\n"], ("a", ",b\n"),
    [bytearray(b"a,"), memoryview(b"b\n")], io.BytesIO(b"a,b\n"), io.StringIO("a,b\n"), iter([b"", b"a,b\n", b""]),
], ids=lambda source: type(source).__name__)
def test_any_source_of_bytes_or_text(source):
    assert body_of(source) == b"a,b\n"


def test_text_is_sent_as_utf8(tmp_path):
    (tmp_path / "text").write_text("ñ日\n", encoding="utf-16")
    with (tmp_path / "text").open(encoding="utf-16") as file:
        assert body_of(file) == "ñ日\n".encode()


def test_a_path_is_opened_each_time(tmp_path):
    path = tmp_path / "rows"
    path.write_bytes(NOISE)
    body = UploadBody(path)
    assert b"".join(body) == b"".join(body) == NOISE


def test_a_buffer_that_its_producer_uses_again_is_copied():
    def reusing():
        buffer = bytearray(2)
        for number in range(5):
            buffer[:] = b"%d\n" % number
            yield buffer

    assert body_of(reusing()) == b"0\n1\n2\n3\n4\n"


@pytest.mark.parametrize("source", [None, 5, object()])
def test_what_is_no_data_is_refused_at_once(source):
    with pytest.raises(CartoUsageException, match=f"a file, a path or bytes, not {type(source).__name__}"):
        UploadBody(source)


@pytest.mark.parametrize("source", [{"a": 1}, types.MappingProxyType({}), pandas.DataFrame({"a": [1]})],
                         ids=lambda source: type(source).__name__)
def test_what_would_give_its_names_for_its_rows_is_refused(source):
    with pytest.raises(CartoUsageException, match=rf"a {type(source).__name__} is not .*df\.to_csv"):
        UploadBody(source)


def test_a_series_of_lines_is_sent():
    assert body_of(pandas.Series(["a,b\n", "c,d\n"])) == b"a,b\nc,d\n"


def test_a_text_of_which_a_line_was_taken_is_sent_once(tmp_path):
    (tmp_path / "rows").write_text("names\n1\n2\n")
    with (tmp_path / "rows").open() as file:
        next(file)
        body = UploadBody(file)
        assert not body.replayable
        assert not is_replayable(file)
        assert b"".join(body) == b"1\n2\n"


@pytest.mark.parametrize("piece", [1, None, ["a"], 1.5])
def test_a_piece_that_is_neither_bytes_nor_text_is_refused(piece):
    body = UploadBody([b"a", piece])
    with pytest.raises(ProducerFailed):
        list(body)
    assert isinstance(body.failure, CartoUsageException)
    assert type(piece).__name__ in str(body.failure)


def test_small_pieces_are_gathered_and_big_ones_cut():
    sizes = [len(chunk) for chunk in UploadBody(b"x" * 100 for _ in range(10_000))]
    assert sum(sizes) == 1_000_000
    assert all(CHUNK_SIZE <= size < CHUNK_SIZE + 100 for size in sizes[:-1])
    assert max(len(chunk) for chunk in UploadBody([NOISE * 10])) < 2 * CHUNK_SIZE


@pytest.mark.parametrize("level", [None, 1])
def test_pieces_do_not_wait_long_for_others(level):
    def slow():
        for _ in range(6):
            yield b"row\n"
            time.sleep(0.2)

    chunks = iter(UploadBody(slow(), level))
    first = next(chunks)
    assert b"row\n" * 2 <= (first if level is None else zlib.decompressobj(31).decompress(first)) < b"row\n" * 6
    rest = b"".join(chunks)
    assert (first + rest if level is None else gzip.decompress(first + rest)) == b"row\n" * 6


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_gzip(level):
    for data in (b"", b"a,b\n", NOISE, b"a,b\n" * 500_000):
        assert gzip.decompress(body_of(data, level)) == data


@pytest.mark.parametrize("level", [-2, 10, "1", 1.5])
def test_a_level_that_gzip_does_not_have(level):
    with pytest.raises(CartoUsageException, match="compression_level"):
        UploadBody(b"", level)


def test_what_can_be_sent_again(tmp_path):
    class Rows:
        def __iter__(self):
            return iter([b"1\n"])

    with os.fdopen(os.pipe()[0], "rb") as pipe:
        assert not is_replayable(UploadBody(pipe))
    assert not is_replayable(UploadBody(iter([b"a"])))
    assert not is_replayable(UploadBody(b"a" for _ in range(2)))
    for source in (tmp_path, b"a", [b"a"], "a", Rows(), io.BytesIO(b"a")):
        body = UploadBody(source)
        assert is_replayable(body)
        if source is not tmp_path:
            assert b"".join(body) == b"".join(body) != b""


def test_a_file_returns_to_where_it_was():
    file = io.BytesIO(b"header\n1\n2\n")
    file.readline()
    body = UploadBody(file)
    assert b"".join(body) == b"".join(body) == b"1\n2\n"


@pytest.mark.parametrize(("make", "total"), [
    (lambda path: path, 300_000), (lambda path: NOISE, 300_000), (lambda path: io.BytesIO(NOISE), 300_000),
    (lambda path: path.open("rb"), 300_000), (lambda path: path.open("rb", buffering=0), 300_000),
    (lambda path: iter([NOISE]), None), (lambda path: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(NOISE))), None),
])
@pytest.mark.parametrize("level", [None, 1])
def test_progress_counts_the_bytes_of_the_source(make, total, level, tmp_path):
    path = tmp_path / "rows"
    path.write_bytes(NOISE)
    seen = []
    source = make(path)
    list(UploadBody(source, level, lambda done, whole: seen.append((done, whole))))
    if hasattr(source, "close"):
        source.close()
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (300_000, total)
    assert len(seen) > 1


def fetch(**answer):
    with responses.RequestsMock() as mock:
        mock.get(URL, **answer)
        return requests.get(URL, stream=True, timeout=5)


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize("data", [b"", b"a,b\n", NOISE, b"0" * 30_000_000, NOISE + b"0" * 600_000],
                         ids=["empty", "small", "noise", "zeros", "mixed"])
def test_a_compressed_answer(data):
    response = fetch(body=gzip.compress(data, 1), headers={"Content-Encoding": "gzip"})
    blocks = list(read_blocks(response))
    assert b"".join(blocks) == data
    assert all(0 < len(block) <= 4 * CHUNK_SIZE for block in blocks)


@pytest.mark.usefixtures("codec")
def test_an_answer_of_several_gzip_streams():
    body = gzip.compress(b"one\n") + gzip.compress(NOISE) + gzip.compress(b"three\n")
    response = fetch(body=body, headers={"Content-Encoding": "gzip"})
    assert b"".join(read_blocks(response)) == b"one\n" + NOISE + b"three\n"


@pytest.mark.usefixtures("codec")
@pytest.mark.parametrize(("damage", "message"), [
    (lambda body: body[:-20], "in the middle of gzip data"),
    (lambda body: body[:100] + b"\xff" * 900 + body[1000:], "gzip"),
    (lambda body: b"no gzip at all", "not valid gzip"),
])
def test_a_compressed_answer_that_is_damaged(damage, message):
    body = damage(gzip.compress(b"a,b\n" * 50_000 + NOISE))
    with pytest.raises(CartoConnectionException, match=message):
        list(read_blocks(fetch(body=body, headers={"Content-Encoding": "gzip"})))


def test_another_compression_is_left_to_urllib3():
    response = fetch(body=zlib.compress(NOISE), headers={"Content-Encoding": "deflate"})
    assert b"".join(read_blocks(response)) == NOISE


def test_an_answer_that_was_read_before():
    response = fetch(body=NOISE)
    assert response.content == NOISE
    assert b"".join(read_blocks(response)) == NOISE


@pytest.fixture
def answers(context, certificate):
    """Answer requests with what a test says, and count connections."""
    bodies = []

    def handle(peer):
        while peer.head():
            for part in bodies[0]:
                if part is None:
                    return peer.hold()
                peer.send(part)
            if b"close" in bodies[0][0] or bodies[0][-1] == b"":
                return peer.socket.close()
        return None

    with RawServer(handle, context) as server, requests.Session() as session:
        session.verify = str(certificate[0])

        def get(*parts, timeout=5):
            bodies[:] = [parts]
            return session.get(server.origin, stream=True, timeout=timeout)

        get.server = server
        yield get


@pytest.fixture(params=["http", "https"])
def context(request):
    return request.getfixturevalue("tls") if request.param == "https" else None


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def counted(length):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()


def chunks(data, *sizes):
    wire, start = [], 0
    for size in sizes:
        piece = data[start:start + size]
        wire.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        start += size
    return [*wire, b"0\r\n\r\n"]


@pytest.mark.usefixtures("no_leaks")
def test_whole_bodies_arrive_however_they_are_cut_and_keep_their_connection(answers):
    wire = b"".join(chunks(NOISE, 1, 2, 3, 70_000, 5, 200_000, 100_000))
    bodies = {
        "one chunk": [CHUNKED, *chunks(NOISE, 300_000)],
        "many chunks at once": [CHUNKED + wire],
        "bytes one by one": [CHUNKED, *(wire[i:i + 1] for i in range(60)), wire[60:-12],
                             *(wire[i:i + 1] for i in range(len(wire) - 12, len(wire)))],
        "extensions and trailers": [CHUNKED + b"493e0;name=value\r\n" + NOISE + b"\r\n000\r\nA: b\r\n",
                                    b"C: d\r\n\r", b"\n"],
        "length": [counted(300_000) + NOISE[:10], NOISE[10:]],
    }
    for name, parts in bodies.items():
        blocks = list(read_blocks(answers(*parts)))
        assert b"".join(blocks) == NOISE, name
        assert all(blocks), name
    assert list(read_blocks(answers(CHUNKED, b"0\r\n\r\n"))) == []
    assert list(read_blocks(answers(counted(0)))) == []
    assert answers.server.connections == 1


def test_a_body_that_ends_with_its_connection(answers):
    assert b"".join(read_blocks(answers(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", NOISE))) == NOISE


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("parts", [
    [CHUNKED, *chunks(NOISE, 300_000)[:-1], b""], [CHUNKED, chunks(NOISE, 300_000)[0][:-100], b""],
    [CHUNKED, b"5\r\nab", b""], [CHUNKED, b"49", b""], [CHUNKED, b"0\r\n", b""], [CHUNKED, b"0\r\nTrailer: ", b""],
    [counted(300_001), NOISE, b""], [CHUNKED, b"zz\r\nab\r\n0\r\n\r\n"], [CHUNKED, b"-5\r\nab\r\n0\r\n\r\n"],
    [CHUNKED, b"1" * 200_000],
], ids=range(10))
def test_a_body_that_does_not_arrive_whole(answers, parts):
    with pytest.raises(CartoConnectionException, match="not complete"):
        list(read_blocks(answers(*parts)))


@pytest.mark.usefixtures("no_leaks")
def test_a_body_that_does_not_go_on(answers):
    with pytest.raises(CartoTimeoutException, match="nothing in time"):
        list(read_blocks(answers(CHUNKED, b"5\r\nab", None, timeout=0.2)))


@pytest.mark.usefixtures("no_leaks")
def test_closing_a_stream_early_closes_its_connection(answers):
    for number in range(1, 4):
        with ResponseStream(answers(CHUNKED, *chunks(NOISE * 20, *[100_000] * 60), None)) as stream:
            assert stream.read(10) == NOISE[:10]
        assert answers.server.connections == number
    with ResponseStream(answers(CHUNKED, *chunks(b"", 0)[:-1], None)):
        pass  # nothing was read at all
    assert answers.server.connections == 4


def stream_of(data):
    return ResponseStream(fetch(body=data))


def test_readinto_fills_the_buffer_it_is_given():
    stream, buffer = stream_of(NOISE), bytearray(200_000)
    assert stream.readable()
    assert not stream.writable()
    assert not stream.seekable()
    assert stream.readinto(buffer) == 200_000
    assert buffer == NOISE[:200_000]
    assert stream.readinto(buffer) == 100_000
    assert buffer[:100_000] == NOISE[200_000:]
    assert stream.readinto(buffer) == 0
    assert stream.readinto(bytearray()) == 0


def test_a_stream_reads_like_a_file():
    rows = [[str(number), f"naïve {number}"] for number in range(30_000)]
    text = "".join(f"{number},{name}\n" for number, name in rows)
    data = text.encode()
    assert stream_of(data).read() == data
    assert stream_of(data).readall() == data
    assert io.BufferedReader(stream_of(data)).read(100) == data[:100]
    assert list(csv.reader(io.TextIOWrapper(stream_of(data), encoding="utf-8"))) == rows
    assert b"".join(stream_of(data)) == data
    stream = stream_of(data)
    assert [stream.readline(), stream.read(3), stream.readline()] == [b"0,na\xc3\xafve 0\n", b"1,n", b"a\xc3\xafve 1\n"]
    assert stream.read() == text.partition("ve 1\n")[2].encode()
    assert stream.read() == b""


@pytest.mark.parametrize("again", [
    lambda stream: stream.read(10), lambda stream: stream.read(), lambda stream: stream.readall(),
    lambda stream: stream.readinto(bytearray(10)), lambda stream: stream.peek(), lambda stream: stream.readline(),
    lambda stream: list(stream),
], ids=["read", "read all", "readall", "readinto", "peek", "readline", "lines"])
def test_a_stream_that_failed_never_says_that_it_is_at_its_end(again):
    def blocks():
        yield b"begun"
        raise CartoConnectionException("gone")

    stream = ResponseStream(fetch(body=b""), blocks=blocks())
    assert stream.read(5) == b"begun"
    for _ in range(3):
        with pytest.raises(CartoConnectionException, match="gone"):
            again(stream)
    stream.close()
    assert stream.closed


def test_lines_are_not_read_byte_by_byte(monkeypatch):
    sizes = []
    read = ResponseStream.read
    monkeypatch.setattr(ResponseStream, "read", lambda stream, size=-1: sizes.append(size) or read(stream, size))
    assert list(stream_of(b"0123456789\n" * 1000)) == [b"0123456789\n"] * 1000
    assert len(sizes) < 1100  # 11,000 when io reads a byte at a time


def test_a_closed_stream_says_so():
    stream = stream_of(NOISE)
    stream.close()
    stream.close()
    assert stream.closed
    for read in (stream.read, stream.readline, lambda: stream.readinto(bytearray(5)), stream.peek):
        with pytest.raises(ValueError, match="closed"):
            read()
