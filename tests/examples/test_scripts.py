"""What holds for every example: its help, what it needs, and how it fails."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from carto.sandbox import Sandbox
from tests.examples.scripts import EXAMPLES, account_of, failure_of, printed_by, rows_of, run_script

MODULES = sorted(EXAMPLES.rglob("*.py"))
#: All but those below files/, which made the data.
SCRIPTS = [str(path.relative_to(EXAMPLES)) for path in MODULES
           if 'if __name__ == "__main__"' in path.read_text() and path.parent.name != "files"]

#: What the examples about SQL have to be told, beside the account.
ARGUMENTS = {
    "check_query.py": ["SELECT 1"],
    "copy_and_pandas_example.py": [],
    "copy_example.py": [],
    "export_create_tables.py": [],
    "kill_query.py": ["1"],
    "list_tables.py": [],
    "running_queries.py": [],
    "sql_batch_api_jobs.py": ["create", "--query", "SELECT 1"],
    "sql_batch_api_wait_for_completion.py": ["--query", "SELECT 1"],
    "table_info.py": ["nothing"],
    "user_info.py": [],
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_it_is_for_and_how_to_call_it(script: str) -> None:
    done = run_script(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    summary = (ast.get_docstring(ast.parse((EXAMPLES / script).read_text())) or "").partition("\n")[0]
    assert " ".join(done.stdout.split()).startswith(f"usage: {Path(script).name}")
    description = done.stdout.partition("\n\n")[2]
    assert len(description) > 200
    assert summary.split()[0] in description
    if script != "duplicate_table.py":
        assert all(option in done.stdout for option in ("--base_url", "--api_key", "--organization"))


@pytest.mark.parametrize(("script", "arguments"), ARGUMENTS.items())
def test_without_an_account_it_says_what_to_do(script: str, arguments: list[str]) -> None:
    done = run_script(script, *arguments)
    assert done.returncode == 2
    assert "CARTO_API_URL" in done.stderr.splitlines()[-1]
    assert "carto.sandbox" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("script", "arguments"), ARGUMENTS.items())
def test_a_wrong_key_is_told_in_one_line(sandbox: Sandbox, script: str, arguments: list[str], tmp_path: Path) -> None:
    wrong = account_of(sandbox) | {"CARTO_API_KEY": "0123456789abcdef"}
    message = failure_of(script, *arguments, environment=wrong, cwd=tmp_path)
    assert "API key" in message
    assert "0123456789abcdef" not in message


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    account = {"CARTO_API_URL": "http://127.0.0.1:1/user/nobody/", "CARTO_API_KEY": "key"}
    assert failure_of("list_tables.py", environment=account).startswith("the server cannot be reached: ")


def test_the_traceback_is_shown_on_request() -> None:
    account = {"CARTO_API_URL": "http://127.0.0.1:1/user/nobody/", "CARTO_API_KEY": "key"}
    done = run_script("list_tables.py", environment=account | {"CARTO_DEBUG": "1"})
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "CartoConnectionException" in done.stderr


def test_options_win_over_the_environment(sandbox: Sandbox) -> None:
    wrong = {"CARTO_API_URL": "http://127.0.0.1:1/user/nobody/", "CARTO_API_KEY": "wrong"}
    options = ["--base_url", sandbox.base_url, "--api_key", sandbox.api_key]
    assert "demo" in printed_by("user_info.py", *options, environment=wrong)


def test_a_missing_library_is_named_with_the_command(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "prettytable.py").write_text("raise ImportError('not here')")
    account = account_of(sandbox) | {"PYTHONPATH": str(tmp_path)}
    message = failure_of("user_info.py", environment=account)
    assert message.startswith("prettytable is needed")
    assert f"pip install -r {EXAMPLES / 'requirements.txt'}" in message


@pytest.mark.parametrize("script", ["export_account.py", "restore_account.py"])
def test_a_missing_library_is_named_before_anything_is_saved(script: str, tmp_path: Path) -> None:
    (tmp_path / "prettytable.py").write_text("raise ImportError('not here')")
    account = {"CARTO_API_URL": "http://127.0.0.1:1/user/me/", "CARTO_API_KEY": "k", "PYTHONPATH": str(tmp_path)}
    assert failure_of(script, tmp_path / "saved", environment=account).startswith("prettytable is needed")
    assert not (tmp_path / "saved").exists()


def test_progress_is_shown_to_those_who_look(sandbox: Sandbox, tmp_path: Path) -> None:
    reader, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "copy_example.py")], env=os.environ | account_of(sandbox), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=terminal, check=False)
    os.close(terminal)
    shown = os.read(reader, 65536).decode()
    os.close(reader)
    assert done.returncode == 0, shown
    assert "COPY FROM: 100%" in shown
    assert "COPY TO: " in shown


def test_an_address_that_is_none_is_told_in_one_line() -> None:
    account = {"CARTO_API_URL": "http://localhost/", "CARTO_API_KEY": "key"}
    assert "/user/" in failure_of("list_tables.py", environment=account)


def test_a_reader_who_leaves_is_no_failure_to_complain_about(sandbox: Sandbox) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer) as output:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / "user_info.py")], env=os.environ | account_of(sandbox), stdout=output,
            stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")


def test_ctrl_c_ends_the_script_in_one_line(sandbox: Sandbox) -> None:
    script = [sys.executable, str(EXAMPLES / "sql_batch_api_wait_for_completion.py"), "--query", "SELECT pg_sleep(60)"]
    with subprocess.Popen(script, env=os.environ | account_of(sandbox), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        (job,) = re.findall(r"^Job (\S+) was created.$", running.stdout.readline())
        running.send_signal(signal.SIGINT)
        _, complaint = running.communicate(timeout=60)
    assert (running.returncode, complaint) == (130, "sql_batch_api_wait_for_completion.py: interrupted\n")
    cancelled = printed_by("sql_batch_api_jobs.py", "cancel", "--job_id", job, environment=account_of(sandbox))
    assert cancelled.startswith("The job is cancelled.")
    assert not rows_of(sandbox, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%'")


def _imported_by(path: Path) -> set[str]:
    """List the modules that an example imports, also those that it imports only when they are needed."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("require", "find_spec"):
            names.update(each.value for each in node.args if isinstance(each, ast.Constant))
    return {name.partition(".")[0] for name in names}


def test_the_requirements_are_complete() -> None:
    lines = [line for line in (EXAMPLES / "requirements.txt").read_text().splitlines() if line[:1] not in ("#", "")]
    required = {Requirement(line).name for line in lines}
    known = set(sys.stdlib_module_names) | {"carto"} | {path.stem for path in MODULES} | {
        folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()}
    missing = {(path.name, name) for path in MODULES for name in _imported_by(path) - known - required}
    assert missing == set()
    used = set().union(*map(_imported_by, MODULES))
    assert required <= used


def test_what_the_demo_runs_needs_no_more_than_the_package() -> None:
    for script in ("quickstart.py", "datasets.py", "maps.py", "account.py"):
        assert _imported_by(EXAMPLES / script) <= set(sys.stdlib_module_names) | {"carto", "account", "terminal"}
