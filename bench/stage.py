"""What the contenders work against: data files, servers that do no work, a sandbox. Made when asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import data

if TYPE_CHECKING:
    from carto.sandbox import Sandbox

SERVER = Path(__file__).with_name("server.py")
SMALL_ANSWER = b'{"rows":[{"one":1}],"time":0.001,"fields":{"one":{"type":"number"}},"total_rows":1}'


class Stage:
    """A temporary directory and the processes of one run; all of it is gone when the context ends."""

    def __init__(self) -> None:
        self._exit = contextlib.ExitStack()
        self._made: dict[Any, Any] = {}
        self.directory = Path()

    def __enter__(self) -> Stage:
        self.directory = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="carto-bench-")))
        self.directory.chmod(0o755)  # the sandbox's PostgreSQL, another user when we are root, has its files in it
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def output(self) -> str:
        """File that contenders write to."""
        return str(self.directory / "output")

    def csv(self, size: int) -> Path:
        """Give a file of about so many bytes of CSV."""
        return self._file(f"{size}.csv", lambda path: data.write_csv(path, size))

    def json(self, rows: int) -> Path:
        """Give the body of an answer with so many rows."""
        return self._file(f"{rows}.json", lambda path: data.write_json(path, rows))

    def datasets(self, count: int) -> Path:
        """Give the body of a list of so many datasets."""
        return self._file(f"{count}.datasets.json", lambda path: data.write_datasets(path, count))

    def small_answer(self, tls: bool = False, content: bytes = SMALL_ANSWER) -> str:
        """Start a server whose answer is short, such as a single value; give the account's URL."""
        body = self._file(f"{zlib.crc32(content)}.small.json", lambda path: path.write_bytes(content))
        return self.server(body, "application/json", tls=tls)

    def server(self, body: Path, content_type: str, *, gzip: bool = False, chunked: bool = False,
               tls: bool = False) -> str:
        """Start a server that answers everything with a file; give the account's URL."""
        key = ("server", body, gzip, chunked, tls)
        if key not in self._made:
            plain = body
            if gzip:
                body = self._file(f"{plain.name}.gz", lambda path: data.write_gzip(path, plain))
            answer = self._file(f"{body.name}.{'chunked' if chunked else 'whole'}", lambda path: data.write_response(
                path, body, content_type, "gzip" if gzip else "", chunked))
            self._made[key] = self._exit.enter_context(_serving(answer, self._certificate if tls else None))
        return f"{'https' if tls else 'http'}://127.0.0.1:{self._made[key]}/user/bench/"

    @property
    def ca_bundle(self) -> Path:
        """Certificates to trust: the usual bundle, so that loading it costs what it costs, and our own."""
        import certifi

        return self._file("bundle.pem", lambda path: path.write_bytes(
            Path(certifi.where()).read_bytes() + self._authority.cert_pem.bytes()))

    @property
    def sandbox(self) -> Sandbox:
        """A sandbox, with its PostgreSQL below our directory."""
        if "sandbox" not in self._made:
            from carto.sandbox import Sandbox

            with _temporary_directory_is(self.directory):
                self._made["sandbox"] = self._exit.enter_context(Sandbox())
        sandbox: Sandbox = self._made["sandbox"]
        return sandbox

    @property
    def conninfo(self) -> str:
        """How psycopg reaches the database of the sandbox's account, as the account's own role."""
        assert self.sandbox.running
        if "conninfo" not in self._made:
            self._made["conninfo"] = _conninfo_below(self.directory)
        return str(self._made["conninfo"])

    def empty_table(self) -> str:
        """Make the table that COPY FROM fills."""
        return self._table("bench_from", None)

    def full_table(self, size: int) -> str:
        """Make a table of about so many bytes of CSV."""
        return self._table(f"bench_to_{size}", self.csv(size))

    def _table(self, name: str, content: Path | None) -> str:
        if name not in self._made:
            import psycopg

            with psycopg.connect(self.conninfo) as connection:
                connection.execute(f"CREATE TABLE {name} ({', '.join(data.COLUMNS)})")
                if content is not None:
                    with connection.cursor().copy(f"COPY {name} FROM STDIN WITH (FORMAT csv)") as copy, \
                            content.open("rb") as file:
                        shutil.copyfileobj(file, copy, 1 << 20)
            self._made[name] = name
        return name

    def _file(self, name: str, write: Callable[[Path], object]) -> Path:
        path = self.directory / name
        if not path.exists():
            write(path)
        return path

    @property
    def _authority(self) -> Any:
        if "authority" not in self._made:
            import trustme

            self._made["authority"] = trustme.CA()
        return self._made["authority"]

    @property
    def _certificate(self) -> Path:
        return self._file("server.pem", lambda path: path.write_bytes(
            self._authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.bytes()))


@contextlib.contextmanager
def _serving(answer: Path, certificate: Path | None) -> Iterator[int]:
    command = [sys.executable, str(SERVER), str(answer), *([str(certificate)] if certificate else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


@contextlib.contextmanager
def _temporary_directory_is(path: Path) -> Iterator[None]:
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(path)
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


def _conninfo_below(directory: Path) -> str:
    import psycopg

    sockets = list(directory.glob("carto-sandbox-*/.s.PGSQL.5432"))
    if not sockets:
        raise RuntimeError(f"The sandbox put its PostgreSQL elsewhere than below {directory}: set TMPDIR to a "
                           "directory with a short name that every user may enter")
    server = f"host={sockets[0].parent}"
    with psycopg.connect(f"{server} user=postgres dbname=postgres") as admin:
        row = admin.execute(r"SELECT datname FROM pg_database WHERE datname LIKE 'cartodb\_user\_%'").fetchone()
    assert row is not None
    return f"{server} dbname={row[0]} user={row[0].removesuffix('_db')}"
