"""What .ci/setup decides: every command that it would run is a fake that writes down its arguments."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.project import ROOT

# Answers what the script asks of Python. What is "installed" is a file in $HOME.
PYTHON = """
case "$*" in
    *version_info*) [ ! -e "$HOME/old-python" ] ;;
    *ensurepip*) [ -e "$HOME/python3-venv" ] ;;
    *find_programs*) [ -e "$HOME/postgresql-postgis" ] ;;
    *"import pip") true ;;
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip install"*) echo "pip $*" >>"$HOME/log" ;;
    *) exit 9 ;;
esac
"""

# Installs packages by making those files, and looks at the setting for Debian's default cluster meanwhile.
APT_GET = """
echo "apt-get $*" >>"$HOME/log"
grep -qs 'create_main_cluster = false' "$HOME"/etc/postgresql-common/createcluster.d/*.conf || exit 8
[ ! -e "$HOME/apt-fails" ] || exit 100
[ "$1" = update ] || for argument; do touch "$HOME/$argument"; done
[ ! -e "$HOME/chromium-driver" ] || cp "$0" "${0%/*}/chromedriver"
"""

# The way to root: only that the files of the real /etc are left alone.
ENV = """
echo "as ${AS:-root}: $1" >>"$HOME/log"
for script; do :; done
exec sh -c "$(echo "$script" | sed "s|/etc/|$HOME/etc/|g")"
"""

SUDO = """
[ ! -e "$HOME/sudo-asks" ] || exit 1
[ "$1" = -n ] || AS=sudo "$@"
"""


class Machine:
    """A project folder, and a PATH that holds the fakes and little else."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.project = folder / "project"
        self.commands = folder / "bin"
        for path in (self.home, self.project / ".ci", self.commands):
            path.mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "setup", self.project / ".ci")
        shutil.copy(ROOT / "pyproject.toml", self.project)
        for name in ("sh", "cat", "cksum", "cp", "dirname", "grep", "mkdir", "rm", "rmdir", "sed", "touch"):
            (self.commands / name).symlink_to(str(shutil.which(name)))
        for name, script in (("python3", PYTHON), ("apt-get", APT_GET), ("env", ENV), ("sudo", SUDO)):
            self.add(name, script)
        self.set_user(1000)

    def add(self, name: str, script: str) -> None:
        (self.commands / name).write_text(f"#!/bin/sh\n{script}")
        (self.commands / name).chmod(0o755)

    def set_user(self, number: int) -> None:
        self.add("id", f"echo {number}\n")

    def has(self, *names: str) -> None:
        for name in names:
            (self.home / name).touch()

    def has_everything(self) -> None:
        self.has("python3-venv", "postgresql-postgis")
        self.add("chromedriver", "")

    def run(self, extras: str = "test") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.project / ".ci" / "setup"), extras],
            env={"PATH": str(self.commands), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )

    def log(self) -> list[str]:
        log = self.home / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


INSTALL = "apt-get install -y --no-install-recommends"
PIP_INSTALL = "pip -m pip install --quiet --disable-pip-version-check"
NEW_PIP = f"{PIP_INSTALL} --upgrade pip"
FOR_TESTS = f"{PIP_INSTALL} --editable .[test]"


def test_where_nothing_is_missing_only_the_environment_is_made(machine: Machine) -> None:
    machine.has_everything()
    assert machine.run().returncode == 0
    assert machine.log() == [NEW_PIP, FOR_TESTS]


def test_a_second_run_does_nothing(machine: Machine) -> None:
    machine.has_everything()
    machine.run()
    done_at_first = machine.log()
    again = machine.run()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert machine.log() == done_at_first


def test_the_extra_for_tests_is_enough_for_the_demo_but_not_the_other_way_round(machine: Machine) -> None:
    machine.has_everything()
    for extras in ("sandbox,progress", "test", "sandbox,progress"):
        machine.run(extras)
    assert machine.log() == [NEW_PIP, f"{PIP_INSTALL} --editable .[sandbox,progress]", FOR_TESTS]


def test_a_changed_pyproject_is_installed_again(machine: Machine) -> None:
    machine.has_everything()
    machine.run()
    with (machine.project / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    machine.run()
    assert machine.log() == [NEW_PIP, FOR_TESTS, FOR_TESTS]


def test_a_failed_installation_is_tried_again(machine: Machine) -> None:
    machine.has_everything()
    machine.add("python3", PYTHON.replace('>>"$HOME/log"', '>>"$HOME/log"; [ -e "$HOME/network" ]'))
    assert machine.run().returncode != 0
    machine.has("network")
    assert machine.run().returncode == 0
    assert machine.log()[-1] == FOR_TESTS


def test_root_installs_what_is_missing(machine: Machine) -> None:
    machine.set_user(0)
    done = machine.run()
    assert done.returncode == 0, done.stderr
    assert machine.log() == [
        "as root: DEBIAN_FRONTEND=noninteractive",
        "apt-get update -qq",
        f"{INSTALL} python3-venv postgresql-postgis chromium-driver -qq",
        NEW_PIP,
        FOR_TESTS,
    ]


def test_others_install_through_sudo_where_it_asks_for_no_password(machine: Machine) -> None:
    machine.has("python3-venv")
    assert machine.run().returncode == 0
    assert machine.log()[:1] == ["as sudo: DEBIAN_FRONTEND=noninteractive"]
    assert f"{INSTALL} postgresql-postgis chromium-driver -qq" in machine.log()


def test_only_the_tests_need_a_browser(machine: Machine) -> None:
    machine.has("python3-venv", "postgresql-postgis")
    assert machine.run("sandbox,progress").returncode == 0
    assert not any("chromium" in line for line in machine.log())
    assert machine.run("test").returncode == 0
    assert f"{INSTALL} chromium-driver -qq" in machine.log()


def test_the_setting_against_a_default_cluster_goes_away_again(machine: Machine) -> None:
    machine.set_user(0)
    machine.run()
    assert not (machine.home / "etc" / "postgresql-common").exists()


def test_the_setting_goes_away_when_apt_fails_too(machine: Machine) -> None:
    machine.set_user(0)
    machine.has("apt-fails")
    assert machine.run().returncode != 0
    assert not (machine.home / "etc" / "postgresql-common").exists()
    assert not any(line.startswith("pip") for line in machine.log())


def test_settings_of_others_stay(machine: Machine) -> None:
    machine.set_user(0)
    others = machine.home / "etc" / "postgresql-common" / "createcluster.d" / "site.conf"
    others.parent.mkdir(parents=True)
    others.touch()
    machine.run()
    assert list(others.parent.iterdir()) == [others]


@pytest.mark.parametrize("without_sudo", [True, False])
def test_who_may_not_install_is_told_the_command(machine: Machine, without_sudo: bool) -> None:
    if without_sudo:
        (machine.commands / "sudo").unlink()
    machine.has("sudo-asks")
    done = machine.run()
    assert done.returncode != 0
    assert f"apt-get update && {INSTALL} python3-venv postgresql-postgis chromium-driver" in done.stderr
    assert machine.log() == []
    assert not (machine.project / ".venv").exists()


def test_systems_other_than_debian_are_told_what_is_missing(machine: Machine) -> None:
    (machine.commands / "apt-get").unlink()
    machine.set_user(0)
    machine.has("python3-venv")
    done = machine.run()
    assert done.returncode != 0
    assert "no apt-get" in done.stderr
    assert "postgresql-postgis" in done.stderr
    assert machine.log() == []


def test_an_old_python_is_refused(machine: Machine) -> None:
    machine.has("old-python")
    done = machine.run()
    assert done.returncode != 0
    assert "Python 3.10 or newer" in done.stderr
    assert machine.log() == []


def test_a_python_that_debian_cannot_help_is_named(machine: Machine) -> None:
    """Debian's python3-venv is of no use to a Python built by hand without pip."""
    machine.set_user(0)
    machine.add("python3", PYTHON.replace('[ -e "$HOME/python3-venv" ]', "false"))
    done = machine.run()
    assert done.returncode != 0
    assert "still missing after the installation: python3-venv" in done.stderr
