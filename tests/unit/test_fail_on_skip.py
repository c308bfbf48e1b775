"""--fail-on-skip lets no test be skipped unnoticed, but those that need a live account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NO_LIVE_ACCOUNT, PROJECT_ROOT

A_SKIPPED_TEST = "import pytest\n\ndef test_it():\n    pytest.skip({reason!r})\n"
A_SKIPPED_MODULE = "import pytest\npytest.skip({reason!r}, allow_module_level=True)\n"
AN_EXPECTED_FAILURE = "import pytest\n\n@pytest.mark.xfail\ndef test_it():\n    assert {reason!r} == ''\n"
A_PASSING_TEST = "\ndef test_other():\n    assert True\n"


def _pytest(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_sample.py").write_text(test + A_PASSING_TEST)
    own_settings = ("-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", "tests.conftest")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *own_settings, *options, str(folder / "test_sample.py")],
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("test", [A_SKIPPED_TEST, A_SKIPPED_MODULE])
def test_a_skip_fails_the_run_and_names_its_reason(test: str, tmp_path: Path) -> None:
    done = _pytest(tmp_path, test.format(reason="nothing to skip over"), "--fail-on-skip")
    assert done.returncode != 0
    assert "nothing to skip over" in done.stdout


@pytest.mark.parametrize("test", [A_SKIPPED_TEST, AN_EXPECTED_FAILURE])
def test_what_needs_a_live_account_or_is_expected_to_fail_does_not(test: str, tmp_path: Path) -> None:
    done = _pytest(tmp_path, test.format(reason=NO_LIVE_ACCOUNT), "--fail-on-skip")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_without_the_option_a_skip_is_a_skip(tmp_path: Path) -> None:
    done = _pytest(tmp_path, A_SKIPPED_TEST.format(reason="nothing to skip over"))
    assert done.returncode == 0
    assert "1 passed, 1 skipped" in done.stdout
