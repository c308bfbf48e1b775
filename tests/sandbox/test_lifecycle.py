"""The sandbox starts fast, says clearly why it does not, and leaves nothing behind however it ends."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from carto.sandbox import Sandbox, SandboxError, SandboxRequirementError, postgres_programs

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are read from /proc")

Process = tuple[int, str]
"""Process id and start time: together they name a process for good."""

Started = Callable[[], dict[Process, str]]


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give sandboxes a temporary directory of their own, which every account of this machine may enter."""
    directory = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    directory.chmod(0o755)
    monkeypatch.setenv("TMPDIR", str(directory))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def script(own_tmp: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python programs in sessions of their own, as from a terminal; ends what is left of them."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def started_here() -> Started:
    """Give the processes that a test started, without those of the sandboxes that the whole run shares."""
    earlier = descendants(os.getpid())

    def started() -> dict[Process, str]:
        others = set(earlier).union(*(descendants(pid) for pid, _ in earlier))
        return {process: text for process, text in descendants(os.getpid()).items() if process not in others}

    return started


def query(base_url: str, api_key: str, sql: str) -> list[dict[str, Any]]:
    answer = requests.post(f"{base_url}api/v2/sql", data={"q": sql, "api_key": api_key}, timeout=20)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["rows"]
    return rows


def one_plus_one(sandbox: Sandbox) -> int:
    return int(query(sandbox.base_url, sandbox.api_key, "SELECT 1 + 1 AS two")[0]["two"])


def stat(pid: int) -> tuple[int, str, str] | None:
    """Parent, start time and state of a process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), fields[19], fields[0]


def descendants(root: int) -> dict[Process, str]:
    """All processes that came from one, with their command lines."""
    found = {int(path.name): stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    wanted, before = {root}, 0
    while len(wanted) > before:
        before = len(wanted)
        wanted |= {pid for pid, known in found.items() if known and known[0] in wanted}
    return {(pid, known[1]): command(pid) for pid in wanted - {root} if (known := found[pid])}


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def living(processes: dict[Process, str]) -> dict[Process, str]:
    return {
        process: text
        for process, text in processes.items()
        if (known := stat(process[0])) and known[1] == process[1] and known[2] != "Z"
    }


def pid_of(processes: dict[Process, str], part: str) -> int:
    return next(pid for (pid, _), text in processes.items() if part in text)


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def assert_nothing_left(processes: dict[Process, str], own_tmp: Path) -> None:
    assert wait_until(lambda: not living(processes)), living(processes)
    assert wait_until(lambda: not list(own_tmp.iterdir())), list(own_tmp.iterdir())


def assert_complete(processes: dict[Process, str]) -> None:
    """The process tree is what the tests believe, so that its end proves something."""
    for part in ("carto.sandbox.supervisor", "keeper.py", "/postgres -D", "postgres: checkpointer"):
        assert any(part in text for text in processes.values()), (part, processes)


def read_settings(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    return {name: shlex.split(value)[0] for name, value in (line[len("export ") :].split("=", 1) for line in lines)}


# --- starting and stopping ------------------------------------------------------------------------------


def test_leaves_nothing(started_here: Started, own_tmp: Path) -> None:
    files_before = len(os.listdir("/proc/self/fd"))
    with Sandbox() as sandbox:
        assert one_plus_one(sandbox) == 2
        processes = started_here()
        assert_complete(processes)
        assert len(list(own_tmp.iterdir())) == 1
        address = sandbox.base_url
    # stop() returns only when everything is gone: nothing to wait for here.
    assert not living(processes)
    assert not list(own_tmp.iterdir())
    assert len(os.listdir("/proc/self/fd")) == files_before
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=5)


def test_an_exception_in_the_block_leaves_nothing(started_here: Started, own_tmp: Path) -> None:
    processes: dict[Process, str] = {}

    def fail() -> None:
        with Sandbox():
            processes.update(started_here())
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        fail()
    assert_complete(processes)
    assert not living(processes)
    assert not list(own_tmp.iterdir())


def test_start_and_stop_may_be_called_again(own_tmp: Path) -> None:
    sandbox = Sandbox()
    sandbox.stop()
    assert sandbox.start() is sandbox.start()
    first = sandbox.base_url
    sandbox.stop()
    sandbox.stop()
    assert not sandbox.running
    with sandbox:
        assert sandbox.base_url != first
        assert one_plus_one(sandbox) == 2
    assert not list(own_tmp.iterdir())


def test_a_sandbox_that_nobody_stops_ends_with_its_program(script: Any, own_tmp: Path) -> None:
    process = script("-c", "from carto.sandbox import Sandbox; s = Sandbox().start(); print(s.running)")
    output, errors = process.communicate(timeout=30)
    assert (output, errors, process.returncode) == ("True\n", "", 0)
    # Nothing to wait for here either: the interpreter stops the sandbox before it ends.
    assert not list(own_tmp.iterdir())


def test_several_run_at_once(own_tmp: Path) -> None:
    with Sandbox() as first, Sandbox() as second:
        query(first.base_url, first.api_key, "CREATE TABLE only_here (a int)")
        assert not query(second.base_url, second.api_key, "SELECT 1 FROM pg_class WHERE relname = 'only_here'")
        second.stop()
        assert one_plus_one(first) == 2
    assert not list(own_tmp.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_serves_until_it_is_told_to_stop(number: int, script: Any, own_tmp: Path) -> None:
    process = script("-m", "carto.sandbox")
    settings = read_settings(process)
    assert list(settings) == ["CARTO_API_URL", "CARTO_API_KEY", "CARTO_ORG"]
    assert query(settings["CARTO_API_URL"], settings["CARTO_API_KEY"], "SELECT 1 AS one") == [{"one": 1}]
    processes = descendants(process.pid)
    assert_complete(processes)
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=15)
    assert process.returncode == 0
    assert output == ""
    assert errors == "The sandbox is running. Press Ctrl-C to stop it.\n"
    assert not living(processes)
    assert not list(own_tmp.iterdir())


def test_ctrl_c_while_starting_leaves_nothing(script: Any, own_tmp: Path) -> None:
    process = script("-m", "carto.sandbox")
    assert wait_until(lambda: bool(list(own_tmp.iterdir())))
    processes = descendants(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=15) == ("", "")
    assert_nothing_left(processes, own_tmp)


@pytest.mark.parametrize("victim", ["-m carto.sandbox", "carto.sandbox.supervisor"])
def test_kill_9_leaves_nothing(victim: str, script: Any, own_tmp: Path) -> None:
    process = script("-m", "carto.sandbox")
    read_settings(process)
    processes = descendants(process.pid)
    assert_complete(processes)
    pid = process.pid if victim.startswith("-m") else pid_of(processes, victim)
    os.kill(pid, signal.SIGKILL)
    assert_nothing_left(processes, own_tmp)
    if pid != process.pid:
        assert process.wait(timeout=5) == 1
        assert "ended unexpectedly" in process.stderr.read()


@pytest.mark.parametrize("victim", ["the program", "the supervisor"])
def test_kill_9_while_postgresql_is_being_made_leaves_nothing(victim: str, script: Any, own_tmp: Path) -> None:
    process = script("-m", "carto.sandbox")
    assert wait_until(lambda: any("initdb" in text for text in descendants(process.pid).values()))
    processes = descendants(process.pid)
    os.kill(process.pid if victim == "the program" else pid_of(processes, "supervisor"), signal.SIGKILL)
    assert_nothing_left(processes, own_tmp)


def test_kill_9_of_a_program_whose_forked_child_lives_on_leaves_nothing(script: Any, own_tmp: Path) -> None:
    program = """
        import os, time
        from carto.sandbox import Sandbox
        sandbox = Sandbox().start()
        if os.fork() == 0:
            time.sleep(60)
        print("ready", flush=True)
        time.sleep(60)
    """
    process = script("-c", textwrap.dedent(program))
    process.stdout.readline()
    processes = descendants(process.pid)
    child = pid_of(processes, "time.sleep(60)")
    os.kill(process.pid, signal.SIGKILL)
    try:
        assert_nothing_left({each: text for each, text in processes.items() if each[0] != child}, own_tmp)
        assert stat(child) is not None
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_does_not_stop_its_parents_sandbox(script: Any, own_tmp: Path) -> None:
    program = """
        import os, sys
        from carto.sandbox import Sandbox
        sandbox = Sandbox().start()
        child = os.fork()
        if child == 0:
            sys.exit()
        os.waitpid(child, 0)
        print(sandbox.running)
    """
    output, errors = script("-c", textwrap.dedent(program)).communicate(timeout=30)
    assert (output, errors) == ("True\n", "")
    assert not list(own_tmp.iterdir())


# --- kept data, other servers ---------------------------------------------------------------------------


def test_a_data_directory_is_kept(data_dir: Path, own_tmp: Path) -> None:
    with Sandbox(data_dir=data_dir) as sandbox:
        key = sandbox.api_key
        query(sandbox.base_url, key, "CREATE TABLE kept AS SELECT 7 AS n")
    with Sandbox(data_dir=data_dir) as sandbox:
        assert sandbox.api_key == key
        assert query(sandbox.base_url, key, "SELECT n FROM kept") == [{"n": 7}]
    assert not list(own_tmp.iterdir())


def test_keys_that_other_machines_may_send_cannot_be_guessed(data_dir: Path) -> None:
    keys = []
    for _ in range(2):
        with Sandbox(data_dir=data_dir, host="0.0.0.0") as sandbox:
            keys.append(sandbox.account("demo").keys)
            for token, status in ((keys[0]["regular"], 200), ("regular_demo", 401), ("mapsonly_demo", 401)):
                answer = requests.get(f"{sandbox.base_url}api/v2/sql", {"q": "SELECT 1", "api_key": token}, timeout=20)
                assert answer.status_code == status
    assert keys[0] == keys[1]
    with Sandbox(host="0.0.0.0") as sandbox:
        assert not {*keys[0].values()} & {*sandbox.account("demo").keys.values()} - {"default_public"}


def test_a_data_directory_survives_a_crash(started_here: Started, data_dir: Path, own_tmp: Path) -> None:
    with Sandbox(data_dir=data_dir) as sandbox:
        query(sandbox.base_url, sandbox.api_key, "CREATE TABLE kept AS SELECT 7 AS n")
        processes = started_here()
        for pid, _ in processes:
            with contextlib.suppress(ProcessLookupError):  # the others end with PostgreSQL's first process
                os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not living(processes))
    lock = data_dir / "cluster" / "data" / "postmaster.pid"
    left_over = lock.read_text().splitlines()
    # After a reboot, its process id can be that of any other program.
    lock.write_text("\n".join([str(os.getpid()), *left_over[1:]]))
    with Sandbox(data_dir=data_dir) as sandbox:
        assert query(sandbox.base_url, sandbox.api_key, "SELECT n FROM kept") == [{"n": 7}]


def test_a_data_directory_serves_one_sandbox_at_a_time(data_dir: Path) -> None:
    with Sandbox(data_dir=data_dir) as sandbox:
        with pytest.raises(SandboxError, match=f"Another sandbox is using {data_dir}"):
            Sandbox(data_dir=data_dir).start()
        assert one_plus_one(sandbox) == 2


def test_a_data_directory_of_a_version_that_is_not_installed_is_refused(data_dir: Path) -> None:
    made_by = data_dir / "cluster" / "data" / "PG_VERSION"
    made_by.parent.mkdir(parents=True)
    made_by.write_text("9\n")
    with pytest.raises(SandboxRequirementError, match="made by PostgreSQL 9, which is not installed"):
        Sandbox(data_dir=data_dir).start()


def test_an_existing_server_is_used(started_here: Started, own_tmp: Path) -> None:
    with Sandbox() as host:
        (directory,) = own_tmp.iterdir()
        url = f"postgresql:///postgres?host={directory}&user=postgres"
        with Sandbox(database_url=url) as guest:
            servers = [text for text in started_here().values() if "/postgres -D" in text]
            query(guest.base_url, guest.api_key, "CREATE TABLE stays AS SELECT 7 AS n")
        assert len(servers) == 1
        assert list(own_tmp.iterdir()) == [directory]
        owner = "SELECT datname FROM pg_database WHERE datname LIKE 'cartodb_user_%'"
        with psycopg_connection(url) as connection:
            (database,) = connection.execute(owner).fetchone()
        with psycopg_connection(url, dbname=database) as connection:
            assert connection.execute("SELECT n FROM stays").fetchall() == [(7,)]
        assert host.running


def psycopg_connection(url: str, **options: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True, **options)


def test_an_existing_server_that_does_not_answer_is_named(own_tmp: Path) -> None:
    with pytest.raises(SandboxError, match=r"(?s)databases cannot be prepared.*127\.0\.0\.1.*port 1 "):
        Sandbox(database_url="postgresql://me@127.0.0.1:1/postgres").start()
    assert not list(own_tmp.iterdir())


# --- what the caller gets -------------------------------------------------------------------------------


def test_accounts_and_keys_by_name(tmp_path: Path) -> None:
    accounts = [
        {"name": name, "keys": [{"type": "master", "token": f"master-{name}"}, {"type": "default"}]}
        for name in ("ann", "bob")
    ]
    with Sandbox(accounts=accounts) as sandbox:
        assert list(sandbox.accounts) == ["ann", "bob"]
        bob = sandbox.account("bob")
        assert bob.base_url.endswith("/user/bob/")
        assert (bob.api_key, bob.keys["Default public"]) == ("master-bob", "default_public")
        assert query(bob.base_url, bob.api_key, "SELECT 1 AS one") == [{"one": 1}]
        assert sandbox.api_key == "master-ann"
        assert sandbox.organization == ""
        assert sandbox.admin_url == f"{sandbox.base_url.split('/user/')[0]}/sandbox/"
        with pytest.raises(SandboxError, match="No account 'eve' here, only ann, bob"):
            sandbox.account("eve")


def test_no_repr_shows_a_key(sandbox: Sandbox) -> None:
    texts = [repr(sandbox), repr(sandbox.accounts), repr(sandbox.account("demo"))]
    assert sandbox.base_url in texts[0]
    for token in sandbox.account("demo").keys.values():
        assert not [text for text in texts if token in text]


def test_a_stopped_sandbox_says_so() -> None:
    sandbox = Sandbox()
    assert repr(sandbox) == "<Sandbox, stopped>"
    with pytest.raises(SandboxError, match=r"not running: call start\(\)"):
        _ = sandbox.base_url


def test_importing_the_sandbox_loads_none_of_its_packages(script: Any) -> None:
    program = "import sys, carto.sandbox; print([m for m in sys.modules if '.' not in m])"
    output, errors = script("-c", program).communicate(timeout=20)
    assert errors == ""
    assert "selectors" in output
    for heavy in ("starlette", "uvicorn", "psycopg", "asyncio", "requests"):
        assert f"'{heavy}'" not in output


def test_verbose_shows_requests_without_their_keys(script: Any) -> None:
    process = script("-m", "carto.sandbox", "-v")
    settings = read_settings(process)
    url, key = settings["CARTO_API_URL"], settings["CARTO_API_KEY"]
    requests.get(f"{url}api/v2/sql", params={"api_key": key, "q": "SELECT 1"}, timeout=9)
    requests.get(f"{url}api/v2/sql?API%5FKEY={key}&q=SELECT+1", timeout=9)
    requests.get(f"{url}api/v1/map", params={"map_key": key, "auth_token[]": key, "config": "{}"}, timeout=9)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=15)
    assert re.search(r'"GET /user/demo/api/v2/sql\?api_key=\.\.\.&q=SELECT', errors), errors
    assert settings["CARTO_API_KEY"] not in errors


def test_help_names_every_option(script: Any) -> None:
    output, _ = script("-m", "carto.sandbox", "--help").communicate(timeout=20)
    for option in ("--port", "--host", "--data-dir", "--database-url", "--accounts", "--verbose"):
        assert option in output
    assert "export CARTO_API_URL" in output


# --- why it does not start ------------------------------------------------------------------------------


def programs(directory: Path, postgres: str, postgis: bool = True, version: str = "15.4") -> Path:
    """Make an installed PostgreSQL out of shell scripts; its server is the given one."""
    share = directory / "share"
    (share / "extension").mkdir(parents=True)
    if postgis:
        (share / "extension" / "postgis.control").touch()
    show = f"echo VERSION={version}; echo share_path={share}"
    initdb = f"case $1 in --show) {show};; --pgdata=*) mkdir -p ${{1#--pgdata=}};; esac"
    for name, text in (("initdb", initdb), ("postgres", postgres)):
        (directory / name).write_text(f"#!/bin/sh\n{text}\n")
        (directory / name).chmod(0o755)
    directory.chmod(0o755)
    return directory


def test_missing_postgresql_is_named(own_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres_programs.BIN_VARIABLE, "/nowhere")
    with pytest.raises(SandboxRequirementError) as caught:
        Sandbox().start()
    assert str(caught.value).startswith("PostgreSQL is not installed")
    assert "apt-get install postgresql postgresql-postgis" in str(caught.value)
    assert "brew install postgis" in str(caught.value)
    assert not list(own_tmp.iterdir())


def test_missing_postgis_is_named(own_tmp: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(postgres_programs.BIN_VARIABLE, str(programs(data_dir / "bin", "exit 1", postgis=False)))
    with pytest.raises(SandboxRequirementError) as caught:
        Sandbox().start()
    assert f"PostGIS is not installed (found: PostgreSQL 15.4 in {data_dir}/bin)" in str(caught.value)
    assert "apt-get install postgresql-15 postgresql-15-postgis-3" in str(caught.value)


def test_the_newest_postgresql_with_postgis_is_taken(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, postgis in (("9.6", True), ("14.11", True), ("13.2", True), ("18.1", False)):
        programs(data_dir / version, "exit 1", postgis, version)
    monkeypatch.setattr(postgres_programs, "BIN_PATTERNS", [f"{data_dir}/*"])
    monkeypatch.setenv("PATH", "/nowhere")
    assert postgres_programs.find_programs().directory == data_dir / "14.11"
    assert postgres_programs.find_programs(13).version == (13, 2)


def test_a_missing_package_is_named(own_tmp: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data_dir / "uvicorn.py").write_text("raise ImportError(\"No module named 'uvicorn'\", name='uvicorn')")
    monkeypatch.syspath_prepend(data_dir)
    with pytest.raises(SandboxRequirementError, match=r"No module named 'uvicorn'.*pip install '\.\[sandbox\]'"):
        Sandbox().start()
    assert not list(own_tmp.iterdir())


def test_a_server_that_fails_shows_the_end_of_its_log(
    own_tmp: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = programs(data_dir / "bin", "echo 'no space on this planet' >&2; exit 1")
    monkeypatch.setenv(postgres_programs.BIN_VARIABLE, str(failing))
    with pytest.raises(SandboxError, match=r"(?s)PostgreSQL could not be started.*no space on this planet"):
        Sandbox().start()
    assert not list(own_tmp.iterdir())


def test_a_server_that_never_answers_is_given_up(
    own_tmp: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = programs(data_dir / "bin", "echo 'thinking' >&2; exec sleep 600")
    monkeypatch.setenv(postgres_programs.BIN_VARIABLE, str(sleeping))
    with pytest.raises(SandboxError, match=r"(?s)not ready in 4 s \(start_timeout\).*thinking"):
        Sandbox(start_timeout=4).start()
    assert not list(own_tmp.iterdir())
    assert not [text for text in descendants(os.getpid()).values() if "sleep 600" in text]


def test_windows_is_told_about_wsl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    with pytest.raises(SandboxRequirementError, match="Linux or macOS; on Windows, use it inside WSL"):
        Sandbox().start()


def test_a_port_that_is_taken_is_named(own_tmp: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SandboxError, match=f"Cannot listen on 127.0.0.1, port {port}: Address already in use"):
            Sandbox(port=port).start()
    assert not list(own_tmp.iterdir())


def test_a_port_that_cannot_be_is_refused() -> None:
    with pytest.raises(SandboxError, match="Cannot listen on port 99999: ports go from 1 to 65535"):
        Sandbox(port=99_999).start()


def test_a_given_port_is_used(own_tmp: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    with Sandbox(port=port) as sandbox:
        assert f":{port}/" in sandbox.base_url


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"accounts": [{"keys": []}]}', "an account needs 'name'"),
        ('{"accounts": []}', "there is none"),
        ("{", "JSONDecodeError"),
        (None, "No such file or directory: .*accounts.json"),
    ],
)
def test_accounts_that_make_no_sense_are_refused(
    content: str | None, message: str, own_tmp: Path, tmp_path: Path
) -> None:
    file = tmp_path / "accounts.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SandboxError, match=f"accounts cannot be used: .*{message}"):
        Sandbox(accounts=file).start()
    assert not list(own_tmp.iterdir())


def test_a_list_of_accounts_that_makes_no_sense_is_refused(own_tmp: Path) -> None:
    with pytest.raises(SandboxError, match="exactly one key of type 'master'"):
        Sandbox(accounts=[{"name": "ann", "keys": []}]).start()


def test_a_data_directory_that_cannot_be_made_is_named(own_tmp: Path) -> None:
    with pytest.raises(SandboxError, match="No such file or directory: '/proc/nowhere'"):
        Sandbox(data_dir="/proc/nowhere").start()


def test_a_data_directory_that_may_not_be_entered_is_named(own_tmp: Path) -> None:
    private = own_tmp / "private"
    # Root may enter every directory, but its PostgreSQL runs as somebody else.
    root = os.geteuid() == 0
    mode, message = (0o700, r"runs as the user \w+, who may not enter") if root else (0, "Permission denied")
    private.mkdir()
    private.chmod(mode)
    try:
        with pytest.raises(SandboxError, match=f"{message}.*{private}/data"):
            Sandbox(data_dir=private / "data").start()
    finally:
        private.chmod(0o700)
