"""What all tests share: a running sandbox, a live account where there is one, and the rule about skips."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from carto.sandbox import Sandbox, SandboxRequirementError

PROJECT_ROOT = Path(__file__).resolve().parent.parent

NO_LIVE_ACCOUNT = "no live account: write secret.py or set CARTO_LIVE_API_URL and CARTO_LIVE_API_KEY"

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


@dataclass(frozen=True)
class LiveAccount:
    """Where a hosted CARTO account is and what opens it."""

    base_url: str
    api_key: str
    organization: str | None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--fail-on-skip",
        action="store_true",
        help="count a skipped test as failed, unless it only lacks a live CARTO account",
    )


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell has what it starts in the background ignore it, and so would the scripts under test."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    return _failed_if_skipped(report, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    return _failed_if_skipped(report, collector.config)


def _failed_if_skipped(report: Report, config: pytest.Config) -> Report:
    """Turn a skip into a failure when --fail-on-skip was given; an expected failure stays what it is."""
    if not config.getoption("--fail-on-skip") or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if NO_LIVE_ACCOUNT not in reason:
        report.outcome = "failed"
        report.longrepr = f"{reason} (a skip counts as a failure here: --fail-on-skip)"
    return report


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Serve one local CARTO to the whole run; tests clean up the tables they make."""
    with started_or_skipped(Sandbox()) as running:
        yield running


def started_or_skipped(sandbox: Sandbox) -> Sandbox:
    """Start a sandbox, or skip the test where something that it needs is not installed."""
    try:
        return sandbox.start()
    except SandboxRequirementError as missing:
        pytest.skip(f"the sandbox cannot run here: {missing}")


@pytest.fixture(scope="session")
def live_account() -> LiveAccount:
    """Give the hosted account of the environment or of secret.py, or skip."""
    account = _live_account_from_environment() or _live_account_from_secret_py()
    if account is None:
        pytest.skip(NO_LIVE_ACCOUNT)
    return account


def _live_account_from_environment() -> LiveAccount | None:
    base_url, api_key = os.environ.get("CARTO_LIVE_API_URL"), os.environ.get("CARTO_LIVE_API_KEY")
    if not (base_url and api_key):
        return None
    return LiveAccount(base_url, api_key, os.environ.get("CARTO_LIVE_ORG") or None)


def _live_account_from_secret_py() -> LiveAccount | None:
    if not (PROJECT_ROOT / "secret.py").exists():
        return None
    # Not the standard library's `secrets`: a file that the developer wrote from secret.py.example.
    secret = importlib.import_module("secret")
    return LiveAccount(secret.BASE_URL, secret.API_KEY, secret.ORGANIZATION or None)
