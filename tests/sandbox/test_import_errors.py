"""Every error code of imports that a sandbox can give, and that nothing stays of an import that failed."""

from __future__ import annotations

import io
import json
import re
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import carto.sandbox
from carto.sandbox import Sandbox
from carto.sandbox.import_errors import TEXTS
from tests.sandbox.file_server import FileServer, file_server
from tests.sandbox.import_client import DATA, ImportClient
from tests.sandbox.rails_client import Json

MASTER = {"type": "master", "token": "master"}
LIMITS = {"rows": 1000, "file_bytes": 200_000, "columns": 20}
ACCOUNTS: list[Json] = [
    {"name": "demo", "keys": [MASTER], "import_limits": LIMITS, "batch_timeout_ms": 2000},
    {"name": "full", "keys": [MASTER], "quota_bytes": 100_000},
]
CSV = b"name,lat,lon\na,40,-3\nb,41,2\n"
ENCRYPTED = 1


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(accounts=ACCOUNTS) as sandbox:
        yield sandbox


@pytest.fixture
def account(running: Sandbox) -> Iterator[ImportClient]:
    client = ImportClient(running.base_url, "master")
    yield client
    assert client.tables() == []  # an import that fails makes none
    assert client.names(type="table") == []


@pytest.fixture
def files() -> Iterator[FileServer]:
    with file_server() as server:
        yield server


def packed(**members: bytes) -> bytes:
    """Zip files; two underscores in a name stand for a dot."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return buffer.getvalue()


def encrypted() -> bytes:
    """Zip a file and say that it is encrypted."""
    content = bytearray(packed(a__csv=CSV))
    content[6] |= ENCRYPTED
    content[content.index(b"PK\x01\x02") + 8] |= ENCRYPTED
    return bytes(content)


def shapefile(without: str = "", **changed: bytes) -> bytes:
    """Zip the Shapefile of the tests again, with other or fewer parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(DATA / "shapefile-25830.zip") as given, zipfile.ZipFile(buffer, "w") as archive:
        for name in given.namelist():
            if not without or not name.endswith(without):
                archive.writestr(name, changed.get(name[-3:], given.read(name)))
    return buffer.getvalue()


def features(*geometries: Json, crs: str = "EPSG:4326") -> bytes:
    listed = [{"type": "Feature", "properties": {"a": 1}, "geometry": each} for each in geometries]
    system = {"type": "name", "properties": {"name": crs}}
    return json.dumps({"type": "FeatureCollection", "crs": system, "features": listed}).encode()


def kml(content: str) -> bytes:
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{content}</Document></kml>'.encode()


POINT: Json = {"type": "Point", "coordinates": [1, 2]}
LINE: Json = {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}
FOLDER = "<Folder><name>{}</name><Placemark><Point><coordinates>1,2</coordinates></Point></Placemark></Folder>"
WIDE = ",".join(f"c{n}" for n in range(21)) + "\n" + ",".join("1" * 21) + "\n"

FILES = [
    (1002, "picture.png", b"\x89PNG"),
    (1002, "noextension", CSV),
    (1002, "readme.zip", packed(readme__md=b"no table")),
    (1002, "outside.zip", packed(**{"../../evil__csv": CSV, "/tmp/evil__csv": CSV, ".hidden__csv": CSV})),
    (1003, "no.zip", b"this is no archive"),
    (1003, "no.tar.gz", b"this is no archive"),
    (1003, "no.csv.gz", b"this is no archive"),
    (1003, "no.csv.bz2", b"this is no archive"),
    (1003, "broken.zip", packed(a__csv=CSV * 50)[:-60]),
    (1003, "broken.carto", packed(export__json=b"{", places__csv=CSV)),
    (1004, "no.xlsx", b"this is no spreadsheet"),
    (1005, "empty.csv", b""),
    (1005, "empty.zip", packed(a__csv=b"a,b\n")),
    (1005, "header.csv", b"a,b,c\n"),
    (1005, "empty.geojson", features()),
    (1006, "noshx.zip", shapefile(without=".shx")),
    (1006, "broken.zip", shapefile(shp=b"this is no Shapefile")),
    (1018, "secret.zip", encrypted()),
    (1019, "many.kml", kml("".join(FOLDER.format(n) for n in range(51)))),
    (2001, "no.gpkg", b"this is no GeoPackage"),
    (2001, "no.kml", b"this is no KML"),
    (2002, "zeros.csv", b"a,b\n\0\1\0\2,\xff\xfe"),
    (2003, "quote.csv", b'a,b\n1,"2\n3,4\n'),
    (2004, "wide.csv", WIDE.encode()),
    (2005, "twice.csv", b"a,b,a\n1,2,3\n"),
    (2006, "utf16.csv", b"\xff\xfea\0,\0b\0\n\0\x00\xd8,\0"),
    (2008, "no.xls", b"this is no spreadsheet"),
    (2011, "ids.csv", b"cartodb_id,a\n1,x\n1,y\n"),
    (2011, "noids.csv", b"cartodb_id,a\n1,x\n,y\n"),
    (2014, "far.geojson", features({"type": "Point", "coordinates": [1e30, 1e30]}, crs="EPSG:25830")),
    (3007, "object.json", b'{"a": 1}'),
    (3007, "text.geojson", b"this is no JSON"),
    (3008, "srid.csv", b'a,the_geom\n1,"SRID=987654;POINT(1 2)"\n'),
    (3101, "noprj.zip", shapefile(without=".prj")),
    (3201, "mixed.geojson", features(POINT, LINE)),
    (3201, "collection.geojson", features({"type": "GeometryCollection", "geometries": [POINT, LINE]})),
    (3202, "link.kml", kml("<NetworkLink><Link><href>other.kml</href></Link></NetworkLink>")),
    (6666, "large.csv", b"a\n" + b"1234\n" * 50_000),
    (6666, "bomb.zip", b""),
    (6668, "long.csv", b"a\n" + b"1\n" * 1001),
]


@pytest.mark.parametrize(("code", "name", "content"), FILES, ids=[f"{code}-{name}" for code, name, _ in FILES])
def test_files_that_cannot_be_imported(account: ImportClient, code: int, name: str, content: bytes) -> None:
    job = account.failure(bomb() if name == "bomb.zip" else content, name)
    assert job["error_code"] == code, job["get_error_text"]
    text = job["get_error_text"]
    assert (text["title"], text["source"]) == (TEXTS[code].title, TEXTS[code].source)
    assert text["what_about"].startswith(TEXTS[code].what_about)
    assert "carto-sandbox" not in text["what_about"], "no paths of the server"


def bomb() -> bytes:
    """Zip a file that is small only as long as it is packed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"1\n" * 2_000_000)
    return buffer.getvalue()


def test_one_bad_layer_undoes_the_others(account: ImportClient) -> None:
    job = account.failure(packed(a__csv=CSV, b__csv=b"a,a\n1,2\n"), "two.zip")
    assert job["error_code"] == 2005


def test_queries_that_fail(account: ImportClient) -> None:
    for source in ({"sql": "SELECT * FROM nowhere"}, {"sql": "no SQL"}, {"table_copy": "nowhere"}):
        job = account.wait(account.start_json(**source))
        assert (job["state"], job["error_code"]) == ("failure", 8003)
        assert job["get_error_text"]["title"] == "Error creating table from SQL query"


def test_an_import_that_takes_too_long(account: ImportClient) -> None:
    job = account.wait(account.start_json(sql="SELECT pg_sleep(30)::text AS a"))
    assert (job["state"], job["error_code"]) == ("failure", 6667)


def test_an_account_without_room(running: Sandbox) -> None:
    full = ImportClient(running.account("full").base_url, "master")
    rows = b"".join(b"%d,some text\n" % number for number in range(10_000))
    assert full.failure(b"a,b\n" + rows, "much.csv")["error_code"] == 8001
    assert full.tables() == []
    assert full.table_of(CSV, "little.csv") == "little"


def test_urls_that_cannot_be_fetched(account: ImportClient, files: FileServer) -> None:
    def failed(url: str) -> Json:
        job = account.wait(account.start_json(url=url))
        assert job["state"] == "failure"
        return job

    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/a.csv"
    away = files.serve("/away.csv", b"", 302, Location="http://192.0.2.1/a.csv")
    local = files.serve("/local.csv", b"", 302, Location="file:///etc/passwd")
    expected = {
        files.url + "/missing.csv": (1100, "404"),
        files.serve("/401.csv", b"", 401): (1101, "401"),
        files.serve("/403.csv", b"", 403): (1101, "403"),
        files.serve("/500.csv", b"", 500): (1001, "500"),
        files.serve("/large.csv", b"1\n" * 200_000): (6666, None),
        files.serve("/empty.csv", b""): (1005, None),
        files.serve("/page", b"<html>", Content_Type="text/html"): (1002, None),
        files.serve("/short.csv", CSV, Content_Length="1000"): (1103, None),
        nobody: (1001, None),
        "http://192.0.2.1/a.csv": (1102, None),
        "http://nowhere.invalid/a.csv": (1102, None),
        away: (1102, None),
        local: (1001, "302"),
    }
    for url, (code, status) in expected.items():
        job = failed(url)
        assert (job["error_code"], job.get("http_response_code")) == (code, status), (url, job)
        assert ("http_response_code_message" in job) == (status is not None)


def test_every_code_that_is_raised_has_a_text() -> None:
    sources = Path(carto.sandbox.__file__).parent.rglob("*.py")
    raised = {int(code) for path in sources for code in re.findall(r"ImportFailed\((\d+)", path.read_text())}
    assert len(raised) > 20
    assert raised <= set(TEXTS)
