"""What the wheel and the source distribution hold."""

from __future__ import annotations

import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from carto import __version__
from tests.packaging.project import PYPROJECT, ROOT, modules

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files_of_wheel(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def names_of_sdist(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


def _package_data() -> set[str]:
    statements = (ROOT / "carto" / "sandbox").rglob("*.sql")
    named = {"carto/py.typed", "carto/sandbox/importing/countries.csv"}
    return named | {str(path.relative_to(ROOT)) for path in statements}


def _python_files() -> set[str]:
    return {str(path.relative_to(ROOT)) for path in modules().values()}


def test_wheel_holds_the_package_and_nothing_else(files_of_wheel: dict[str, bytes]) -> None:
    package = {name for name in files_of_wheel if not name.startswith(f"carto-{__version__}.dist-info/")}
    assert package == _python_files() | _package_data()


def test_wheel_carries_its_licence_and_requirements(files_of_wheel: dict[str, bytes]) -> None:
    info = f"carto-{__version__}.dist-info"
    assert files_of_wheel[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    metadata = Parser().parsestr(files_of_wheel[f"{info}/METADATA"].decode())
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.10"
    required = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert _parsed(required) == _parsed(PYPROJECT["project"]["dependencies"])


def _parsed(requirements: list[str]) -> set[Requirement]:
    return {Requirement(text) for text in requirements}


def test_sdist_can_be_read_and_built_from(names_of_sdist: set[str]) -> None:
    documents = {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml", "setup.py"}
    assert names_of_sdist >= documents | _python_files() | _package_data()
    assert not {name for name in names_of_sdist if name.startswith(("tests/", "bench/", ".ci/"))}


def test_metadata_is_what_an_index_accepts(files_of_wheel: dict[str, bytes], wheel: Path, sdist: Path) -> None:
    names = [path.name for path in (wheel, sdist)]
    assert names == [f"carto-{__version__}-py3-none-any.whl", f"carto-{__version__}.tar.gz"]
    with tarfile.open(sdist) as archive:
        in_sdist = archive.extractfile(f"carto-{__version__}/PKG-INFO")
        assert in_sdist is not None
        for written in (files_of_wheel[f"carto-{__version__}.dist-info/METADATA"], in_sdist.read()):
            metadata = Metadata.from_email(written, validate=True)
            assert (metadata.name, str(metadata.version)) == ("carto", __version__)
            assert metadata.description == (ROOT / "README.md").read_text()
