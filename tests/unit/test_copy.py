"""CopySQLClient: which statements are sent, what becomes of the answers, and what of files."""

import io
import os
import stat
import struct
import sys
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import requests_mock
import responses
from pyrestcli.auth import NoAuthClient as ForeignNoAuthClient

from carto.auth import APIKeyAuthClient
from carto.exceptions import (
    CartoBadRequestException,
    CartoForbiddenException,
    CartoInvalidResponseException,
    CartoPartialResultException,
    CartoUsageException,
)
from carto.sql import CopySQLClient
from carto.sql.copy_statement import read_copy
from carto.utils import ResponseStream

BASE = "https://me.carto.com/"
FROM_URL = BASE + "api/v2/sql/copyfrom"
TO_URL = BASE + "api/v2/sql/copyto"
FROM = "COPY t FROM STDIN"
TO = "COPY t TO STDOUT"
DONE = {"time": 0.1, "total_rows": 2}
ROWS = b"1\tone\n2\ttwo\n"
ERROR = b'{"error":["division by zero"],"hint":"do not"}'


@pytest.fixture
def copy():
    return CopySQLClient(APIKeyAuthClient(BASE, "secret-key"))


@pytest.fixture
def server():
    with responses.RequestsMock() as mock:
        yield mock


def test_carto_pythons_attributes(copy):
    assert copy.api_url == "api/v2/sql"
    assert copy.api_key == "secret-key"
    assert copy.client.username == "me"
    assert CopySQLClient(copy.client, "v1").api_url == "api/v1/sql"
    assert CopySQLClient(ForeignNoAuthClient(BASE)).api_key is None


# Statements


@pytest.mark.parametrize(("query", "sent"), [
    (FROM, FROM),
    ("COPY añb FROM STDIN;".encode(), "COPY añb FROM STDIN"),
    ("  \n\tCOPY t FROM STDIN ;\n", FROM),
    ("-- a comment\n/* and /* one more */; */ copy\n/* here */ t FROM STDIN -- the end", FROM),
    ("copy t (a, \"b;\"\"x\") from stdin with (format csv, delimiter ';', null 'it''s')",
     "COPY t (a, \"b;\"\"x\") from stdin with (format csv, delimiter ';', null 'it''s')"),
    ("COPY t FROM STDOUT", "COPY t FROM STDOUT"),
    ("COPY t FROM STDIN (DELIMITER E'\\';') WHERE a > 1", "COPY t FROM STDIN (DELIMITER E'\\';') WHERE a > 1"),
    ("COPY x.from FROM STDIN", "COPY x.from FROM STDIN"),
    ('COPY "to" FROM STDIN', 'COPY "to" FROM STDIN'),
])
def test_statements_that_bring_data_in(query, sent):
    assert read_copy(query, "FROM").text == sent


@pytest.mark.parametrize(("query", "data_format"), [
    (TO, "text"),
    ("COPY (select 'x;' || $$;to stdout$$, $q$ $$ ; $q$ from stdin_table) TO STDOUT WITH (FORMAT csv)", "csv"),
    ("COPY (select 1) TO STDOUT WITH (HEADER, FORMAT 'BINARY')", "binary"),
    ("COPY t TO STDOUT (FORMAT \"csv\")", "csv"),
    ("COPY BINARY t TO STDOUT", "binary"),
    ("copy csv to stdout delimiter '|'", "text"),
    ("copy t to stdout with delimiter '|' csv header force quote binary_", "csv"),
    ("COPY t TO STDOUT BINARY", "binary"),
    ("COPY t TO STDOUT WITH (HEADER, FORCE_QUOTE (csv))", "text"),
    ("COPY(select 1)to stdout", "text"),
])
def test_statements_that_send_data_out(query, data_format):
    assert read_copy(query, "TO").format == data_format


@pytest.mark.parametrize("query", [None, 5, ["COPY t FROM STDIN"]])
def test_a_query_is_text(copy, query):
    with pytest.raises(CartoUsageException, match="a text"):
        copy.copyfrom(query, [b"1\n"])


@pytest.mark.parametrize(("query", "problem"), [
    ("", "must be a COPY statement"), (" -- COPY\n", "must be a COPY statement"), ("COPY", "must be a COPY statement"),
    ("select 1", "must be a COPY statement"), ("copyright FROM STDIN", "must be a COPY statement"),
    ("\\copy t from stdin", "must be a COPY statement"), ('"copy" t from stdin', "must be a COPY statement"),
    ("COPY t FROM STDIN; select 1", "one COPY statement"), ("COPY t FROM STDIN;; COPY t FROM STDIN", "one COPY"),
    ("COPY t", "where the data goes"), ("COPY t (a)", "where the data goes"),
    ("COPY t FROM '/etc/passwd'", "over the connection"), ("COPY t FROM PROGRAM 'ls'", "over the connection"),
    ("COPY t FROM", "over the connection"), ("COPY t FROM \"stdin\"", "over the connection"),
    ("COPY t TO STDOUT", "use copyto"), ("COPY (select 1 from stdin) TO STDOUT", "use copyto"),
    ("COPY t FROM STDIN /* no end", r"write \*/"), ("COPY t FROM STDIN WITH (NULL 'x)", "no end"),
    ("COPY \"t FROM STDIN", "no end"), ("COPY t FROM STDIN WHERE a = $x$b", "no end"),
    ("COPY t (\"\ud800\") FROM STDIN", "half a surrogate pair at position 9"), ("COPY t FROM STDIN\0", "NUL"),
    (b"COPY t\xf1 FROM STDIN", "not at position 6"),
])
def test_statements_that_are_refused_before_any_request(copy, query, problem):
    with responses.RequestsMock(), pytest.raises(CartoUsageException, match=problem):
        copy.copyfrom(query, [b"1\n"])


def test_the_other_direction_is_refused_too(copy, tmp_path):
    with responses.RequestsMock():
        for call in (copy.copyto, copy.copyto_stream, lambda query: copy.copyto_file_object(query, io.BytesIO()),
                     lambda query: copy.copyto_file_path(query, tmp_path / "new")):
            with pytest.raises(CartoUsageException, match="use copyfrom"):
                call(FROM)
    assert not (tmp_path / "new").exists()


def test_a_copy_from_too_long_for_a_url(copy):
    columns = ", ".join(f"column_{number}" for number in range(1000))
    with pytest.raises(CartoUsageException, match="too long"):
        copy.copyfrom(f"COPY t ({columns}) FROM STDIN", [b"1\n"])


# Requests


def test_an_upload(copy, server):
    server.post(FROM_URL, json=DONE)
    assert copy.copyfrom(" COPY t FROM STDIN;", [b"1\n"]) == DONE
    request = server.calls[0].request
    assert parse_qs(urlsplit(request.url).query)["q"] == [FROM]
    assert "secret-key" not in request.url
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert request.headers["Content-Encoding"] == "gzip"
    assert request.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in request.headers


@pytest.mark.parametrize("send", [
    lambda copy, path: copy.copyfrom(FROM, [b"1\n", "2\n"], compress=False),
    lambda copy, path: copy.copyfrom(FROM, path, False),
    lambda copy, path: copy.copyfrom_file_path(FROM, str(path), False),
    lambda copy, path: copy.copyfrom_file_path(FROM, path, compress=False),
    lambda copy, path: copy.copyfrom_file_object(FROM, io.BytesIO(b"1\n2\n"), False, 1),
])
def test_every_way_to_upload(copy, server, tmp_path, send):
    (tmp_path / "rows").write_bytes(b"1\n2\n")
    server.post(FROM_URL, json=DONE)
    assert send(copy, tmp_path / "rows") == DONE
    request = server.calls[0].request
    assert b"".join(request.body) == b"1\n2\n"
    assert request.headers["Transfer-Encoding"] == "chunked"
    assert not {"Content-Length", "Content-Encoding"} & set(request.headers)


def test_a_path_is_not_a_file_object(copy, tmp_path):
    with pytest.raises(CartoUsageException, match="copyfrom_file_path"):
        copy.copyfrom_file_object(FROM, str(tmp_path))


def test_a_missing_file_is_the_callers_own_error(copy, tmp_path):
    with responses.RequestsMock(), pytest.raises(FileNotFoundError):
        copy.copyfrom_file_path(FROM, tmp_path / "missing")


def test_a_short_query_goes_by_get_and_a_long_one_in_the_body(copy, server):
    server.get(TO_URL, body=ROWS)
    server.post(TO_URL, body=ROWS)
    long_query = f"COPY (select '{'x' * 2000}') TO STDOUT"
    assert copy.copyto(TO).content == copy.copyto(long_query).content == ROWS
    get, post = (call.request for call in server.calls)
    assert parse_qs(urlsplit(get.url).query)["q"] == [TO]
    assert parse_qs(post.body)["q"] == [long_query]
    assert "q" not in parse_qs(urlsplit(post.url).query)


def test_a_short_query_whose_url_would_be_long_goes_in_the_body(copy, server):
    server.post(TO_URL, body=ROWS)
    copy.copyto(f"COPY (select '{'日' * 1000}') TO STDOUT").close()
    assert "q" not in parse_qs(urlsplit(server.calls[0].request.url).query)


def test_copyto_gives_requests_own_answer(copy, server):
    server.get(TO_URL, body=ROWS)
    response = copy.copyto(TO)
    assert isinstance(response, requests.Response)
    assert list(response.iter_lines()) == [b"1\tone", b"2\ttwo"]


def test_a_client_of_another_making_and_other_mocks():
    with requests_mock.Mocker() as mock:
        mock.get(TO_URL, content=ROWS)
        mock.post(FROM_URL, json=DONE)
        copy = CopySQLClient(ForeignNoAuthClient(BASE))
        assert copy.copyto_stream(TO).read() == ROWS
        with pytest.warns(UserWarning, match="no authentication"):
            assert copy.copyfrom(FROM, [b"1\n"]) == DONE


def test_a_client_that_wraps_every_exception_does_not_hide_the_producers():
    class Wrapping(ForeignNoAuthClient):
        def send(self, *args, **kwargs):
            try:
                list(kwargs["data"])
            except Exception as error:
                raise RuntimeError("wrapped") from error

    def rows():
        yield b"1\n"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        CopySQLClient(Wrapping(BASE)).copyfrom(FROM, rows())


# Answers


def test_errors_have_the_servers_words(copy, server):
    server.post(FROM_URL, json={"error": ["No rows copied"]}, status=400)
    server.get(TO_URL, json={"error": ["permission denied for table t"]}, status=403)
    with pytest.raises(CartoBadRequestException, match="No rows copied"):
        copy.copyfrom(FROM, [])
    with pytest.raises(CartoForbiddenException, match="permission denied for table t"):
        copy.copyto(TO)


@pytest.mark.parametrize("status", [200, 502])
def test_a_page_of_html(copy, server, tmp_path, status):
    server.get(TO_URL, body="<html><body>Sign in first</body></html>", content_type="text/html", status=status)
    with pytest.raises(CartoInvalidResponseException if status == 200 else Exception, match="Sign in first"):
        copy.copyto_file_path(TO, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("body", ['["a"]', '{"error": ["odd"]}', "<html>", ""])
def test_an_upload_whose_answer_is_none(copy, server, body):
    server.post(FROM_URL, body=body)
    with pytest.raises(CartoInvalidResponseException):
        copy.copyfrom(FROM, [b"1\n"])


def binary(*rows, trailer=b"\xff\xff"):
    data = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    for row in rows:
        data += struct.pack(">h", len(row))
        data += b"".join(struct.pack(">i", -1) if v is None else struct.pack(">i", len(v)) + v for v in row)
    return data + trailer


TO_BINARY = "COPY t TO STDOUT WITH (FORMAT binary)"
TO_CSV = "COPY t TO STDOUT WITH (FORMAT csv)"
MANY = [(struct.pack(">i", number), b"name %d" % number, None) for number in range(20_000)]
WHOLE = {
    "text": (TO, ROWS),
    "no rows": (TO, b""),
    "text like an error": (TO, b'1\t{"error":["a"]}\n{"error":["b"]}\n'),
    "csv": (TO_CSV, b'a,b\n1,"{""error"":[""x""]}"\n'),
    "csv beyond the tail": (TO_CSV, b"12345,one\n" * 50_000),
    "binary": (TO_BINARY, binary((b"\0\0\0\1", b"one"), (None, None))),
    "binary without rows": (TO_BINARY, binary()),
    "binary that ends in -1": (TO_BINARY, binary((b"\xff\xff\xff\xff",), (b"\xff\xff\xff\xff",))),
    "binary beyond the tail": (TO_BINARY, binary(*MANY)),
    "binary without columns": (TO_BINARY, binary((), ())),
    "binary with rows beyond the tail": (TO_BINARY, binary((b"x" * 200_000,), (b"y" * 200_000,))),
    "binary of zeros": (TO_BINARY, binary(*[(bytes(4), bytes(8))] * 20_000)),
}
CUT = {
    "text": (TO, ROWS[:-4]),
    "csv": (TO_CSV, b"12345,one\n" * 50_000 + b"1"),
    "binary": (TO_BINARY, binary((b"\0\0\0\1", b"one"), trailer=b"")),
    "binary in a row": (TO_BINARY, binary((b"\0\0\0\1", b"one"), trailer=b"\0\2\0\0")),
    "binary after a null": (TO_BINARY, binary((b"\0\0\0\1", None), trailer=b"")),
    "binary after a null, beyond the tail": (TO_BINARY, binary(*MANY, trailer=b"")),
    "binary after a null of many columns": (TO_BINARY, binary(*[(b"abc", None, None, None)] * 9000, trailer=b"")),
    "binary without anything": (TO_BINARY, b""),
    "binary in its header": (TO_BINARY, binary()[:15]),
    "no binary": (TO_BINARY, b"1\tone\xff\xff"),
}


@pytest.mark.parametrize(("query", "body"), WHOLE.values(), ids=WHOLE)
def test_whole_data(copy, server, tmp_path, query, body):
    server.get(TO_URL, body=body)
    target, file = tmp_path / "rows", io.BytesIO()
    copy.copyto_file_path(query, target)
    copy.copyto_file_object(query, file)
    assert target.read_bytes() == file.getvalue() == copy.copyto_stream(query).read() == body


@pytest.mark.parametrize(("query", "body"), CUT.values(), ids=CUT)
def test_data_that_is_cut_off(copy, server, tmp_path, query, body):
    server.get(TO_URL, body=body)
    target, file = tmp_path / "rows", io.BytesIO()
    with pytest.raises(CartoPartialResultException, match="cut off") as caught:
        copy.copyto_file_path(query, target)
    assert list(tmp_path.iterdir()) == []
    assert caught.value.received == len(body)
    with pytest.raises(CartoPartialResultException, match=f"after {len(body)} bytes"):
        copy.copyto_file_object(query, file)
    assert file.getvalue() == body
    with pytest.raises(CartoPartialResultException, match="cut off"):
        copy.copyto_stream(query).read()


@pytest.mark.parametrize(("query", "data"), [
    (TO, ROWS), (TO, ROWS[:-3]), (TO, b""), (TO, b'{"error":["a"]}\n{"error"'), (TO_CSV, b'1,"un'),
    (TO_CSV, b"12345,one\n" * 50_000), (TO_BINARY, binary(*MANY, trailer=b"")), (TO_BINARY, binary()[:-2]),
    (TO_BINARY, b""),
], ids=range(9))
def test_data_that_ends_in_an_error(copy, server, tmp_path, query, data):
    server.get(TO_URL, body=data + ERROR)
    target, file = tmp_path / "rows", io.BytesIO()
    with pytest.raises(CartoPartialResultException, match="division by zero") as caught:
        copy.copyto_file_path(query, target)
    assert list(tmp_path.iterdir()) == []
    assert (caught.value.received, caught.value.hint, caught.value.status_code) == (len(data), "do not", 200)
    with pytest.raises(CartoPartialResultException, match=f"after {len(data)} bytes"):
        copy.copyto_file_object(query, file)
    assert file.getvalue() == data
    stream, blocks = copy.copyto_stream(query), []
    with pytest.raises(CartoPartialResultException, match="division by zero"):
        blocks.extend(iter(lambda: stream.read(1000), b""))
    assert b"".join(blocks) == data[:len(data) // 1000 * 1000]


def test_an_error_holds_no_key(server):
    client = APIKeyAuthClient(BASE, "secret-key", api_key_in="query")
    server.get(TO_URL, body=b'1\n{"error":["api_key=secret-key is not for you"]}')
    with pytest.raises(CartoPartialResultException) as caught:
        CopySQLClient(client).copyto_stream(TO).read()
    error = caught.value
    assert "secret-key" not in f"{error} {error!r} {error.args} {error.url} {vars(error)}"


# Files


def fails(copy, server, *args, **kwargs):
    server.upsert("GET", TO_URL, body=b"half a row")
    with pytest.raises(CartoPartialResultException):
        copy.copyto_file_path(TO, *args, **kwargs)


def test_a_file_is_replaced_at_the_end_and_keeps_its_permissions(copy, server, tmp_path):
    target = tmp_path / "rows"
    target.write_bytes(b"old")
    target.chmod(0o640)
    fails(copy, server, target)
    assert target.read_bytes() == b"old"
    server.upsert("GET", TO_URL, body=ROWS)
    copy.copyto_file_path(TO, str(target))
    assert target.read_bytes() == ROWS
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_the_permissions_of_any_other(copy, server, tmp_path):
    server.get(TO_URL, body=ROWS)
    copy.copyto_file_path(TO, tmp_path / "rows")
    (tmp_path / "other").touch()
    assert (tmp_path / "rows").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_is_followed(copy, server, tmp_path):
    (tmp_path / "directory").mkdir()
    target, link = tmp_path / "directory" / "rows", tmp_path / "link"
    link.symlink_to(target)
    server.get(TO_URL, body=ROWS)
    copy.copyto_file_path(TO, link)
    copy.copyto_file_path(TO, link)
    assert link.is_symlink()
    assert target.read_bytes() == ROWS


def test_appending(copy, server, tmp_path):
    target = tmp_path / "rows"
    target.write_bytes(b"old\n")
    fails(copy, server, target, append=True)
    assert target.read_bytes() == b"old\n"
    fails(copy, server, tmp_path / "new", append=True)
    assert not (tmp_path / "new").exists()
    server.upsert("GET", TO_URL, body=ROWS)
    copy.copyto_file_path(TO, target, True)
    copy.copyto_file_path(TO, tmp_path / "new", append=True)
    assert target.read_bytes() == b"old\n" + ROWS
    assert (tmp_path / "new").read_bytes() == ROWS


def test_nothing_is_touched_by_a_refused_query(copy, server, tmp_path):
    target = tmp_path / "rows"
    target.write_bytes(b"old")
    before = target.stat()
    server.get(TO_URL, json={"error": ["no"]}, status=400)
    for append in (False, True):
        with pytest.raises(CartoBadRequestException):
            copy.copyto_file_path(TO, target, append)
    assert target.stat().st_mtime_ns == before.st_mtime_ns
    assert target.stat().st_ino == before.st_ino


def test_an_interrupt_leaves_nothing(copy, server, tmp_path):
    def interrupt(_done, _total):
        raise KeyboardInterrupt

    server.get(TO_URL, body=b"12345,one\n" * 50_000)
    for append in (False, True):
        with pytest.raises(KeyboardInterrupt):
            copy.copyto_file_path(TO, tmp_path / "rows", append, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written_are_found_before_the_request(copy, tmp_path, monkeypatch):
    (tmp_path / "rows").touch()
    with responses.RequestsMock():
        with pytest.raises(IsADirectoryError):
            copy.copyto_file_path(TO, tmp_path)
        with pytest.raises(FileNotFoundError):
            copy.copyto_file_path(TO, tmp_path / "missing" / "rows")
        monkeypatch.setattr(os, "access", lambda *_arguments: False)  # root may write anything
        with pytest.raises(PermissionError):
            copy.copyto_file_path(TO, tmp_path / "rows")


def test_a_device_is_written_and_not_replaced(copy, server):
    server.get(TO_URL, body=ROWS)
    copy.copyto_file_path(TO, "/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_file_object_open_for_text_is_refused_before_the_request(copy):
    with responses.RequestsMock(), pytest.raises(CartoUsageException, match="'wb'"):
        copy.copyto_file_object(TO, io.StringIO())


@pytest.mark.parametrize("other", ["rows.csv", None])
def test_what_is_no_file_object_is_refused_before_the_request(copy, other):
    with responses.RequestsMock(), pytest.raises(CartoUsageException, match="copyto_file_path takes a path"):
        copy.copyto_file_object(TO, other)


def test_a_file_object_that_takes_only_a_part(copy, server):
    class Slow(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def write(self, block):
            self.data += bytes(block[:1000])
            return len(block[:1000])

    body = b"12345,one\n" * 5000
    server.get(TO_URL, body=body)
    file = Slow()
    copy.copyto_file_object(TO, file)
    assert file.data == body


def test_a_file_object_that_keeps_what_it_is_given(copy, server):
    class Kept:
        def __init__(self):
            self.blocks = []
            self.write = self.blocks.append

    body = b"".join(b"%d\n" % number for number in range(100_000))
    server.get(TO_URL, body=body)
    file = Kept()
    copy.copyto_file_object(TO, file)
    assert b"".join(file.blocks) == body
    assert {type(block) for block in file.blocks} == {bytes}


def test_a_stream(copy, server):
    server.get(TO_URL, body=ROWS)
    with copy.copyto_stream(TO) as stream:
        assert isinstance(stream, ResponseStream)
        assert stream.readline() == b"1\tone\n"
        assert io.TextIOWrapper(stream, encoding="utf-8").read() == "2\ttwo\n"


# Progress


def test_progress_of_an_upload(copy, server, tmp_path):
    server.post(FROM_URL, json=DONE)
    (tmp_path / "rows").write_bytes(b"x" * 300_000)
    seen = []
    copy.copyfrom_file_path(FROM, tmp_path / "rows", progress=lambda *state: seen.append(state))
    list(server.calls[0].request.body)  # the mock does not read it
    assert seen[-1] == (300_000, 300_000)


def test_progress_of_a_download(copy, server, tmp_path):
    body = b"12345,one\n" * 100_000
    server.get(TO_URL, body=body, headers={"Content-Length": str(len(body))})
    server.get(TO_URL, body=body)
    seen = []
    copy.copyto_file_path(TO, tmp_path / "rows", progress=lambda *state: seen.append(state))
    assert seen[-1] == (1_000_000, 1_000_000)
    assert len(seen) > 2
    copy.copyto_stream(TO, progress=lambda *state: seen.append(state)).read()
    assert seen[-1] == (1_000_000, None)


def test_other_objects_than_files_are_given_bytes(copy, server):
    class Taker:
        def __init__(self):
            self.taken = []

        def write(self, data):
            self.taken.append(data)

    server.get(TO_URL, body=b"12345,one\n" * 50_000)
    taker = Taker()
    copy.copyto_file_object(TO, taker)
    assert {type(data) for data in taker.taken} == {bytes}
    assert b"".join(taker.taken) == b"12345,one\n" * 50_000


def test_a_bar(copy, server, capsys):
    server.get(TO_URL, body=b"12345,one\n" * 50_000)
    copy.copyto_file_object(TO, io.BytesIO(), progress=True)
    assert "COPY TO: 488k" in capsys.readouterr().err
    copy.copyto_file_object(TO, io.BytesIO(), progress=False)
    copy.copyto_file_object(TO, io.BytesIO())
    assert capsys.readouterr() == ("", "")


def test_a_bar_without_tqdm(copy, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with responses.RequestsMock(), pytest.raises(CartoUsageException, match=r"pip install '\.\[progress\]'"):
        copy.copyfrom(FROM, [b"1\n"], progress=True)


@pytest.mark.parametrize("progress", [1, "yes", [print]])
def test_a_progress_that_is_none(copy, progress):
    with responses.RequestsMock(), pytest.raises(CartoUsageException, match="progress is"):
        copy.copyfrom(FROM, [b"1\n"], progress=progress)
