"""Which encoding a text file is in, and its copy in UTF-8; no sandbox is needed."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from carto.sandbox.import_errors import ImportFailed
from carto.sandbox.importing import text_files

TEXT = "name;città\n" + "Señor Müller;Łódź — 東京\n" * 3
LATIN = "name;città\n" + "Señor Müller;“Café” à la carte\n" * 3


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (TEXT, TEXT.encode()),
        (TEXT, codecs.BOM_UTF8 + TEXT.encode()),
        (TEXT, TEXT.encode("utf-16")),
        (TEXT, codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be")),
        (LATIN.replace("“", '"').replace("”", '"'), LATIN.replace("“", '"').replace("”", '"').encode("utf-16-le")),
        (LATIN.replace("“", '"').replace("”", '"'), LATIN.replace("“", '"').replace("”", '"').encode("utf-16-be")),
        (LATIN, LATIN.encode("cp1252")),
        ("caf\xe9;\x81\n", b"caf\xe9;\x81\n"),  # 0x81 is nothing in Windows' code page
    ],
    ids=["utf-8", "utf-8-mark", "utf-16", "utf-16-be", "utf-16-le-unmarked", "utf-16-be-unmarked", "cp1252", "latin-1"],
)
def test_texts_become_utf8(tmp_path: Path, text: str, content: bytes) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    assert text_files.to_utf8(file).read_bytes().decode("utf-8") == text
    assert file.read_bytes() == content


def test_a_character_that_is_cut_by_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "READ_BYTES", 3)
    file = tmp_path / "a.csv"
    for encoding in ("utf-8", "utf-16", "cp1252"):
        text = LATIN if encoding == "cp1252" else TEXT
        file.write_bytes(text.encode(encoding))
        assert text_files.to_utf8(file).read_bytes().decode("utf-8") == text


def test_what_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"\x89PNG\0\0\0\rIHDR")
    with pytest.raises(ImportFailed, match=r"import error 2002: a\.csv has zero bytes in it, and is not UTF-16"):
        text_files.to_utf8(file)


@pytest.mark.parametrize(
    ("line", "separator", "has_header"),
    [
        ("a,b;c,d", ",", True),
        ('"a,b,c";d', ";", True),
        ("a\tb\tc,d", "\t", True),
        ("a|b", "|", True),
        ("one column", ",", True),
        ("1,2.5,-3", ",", False),
        ('"1";"2,5"', ";", False),
        ("name,2010,2020", ",", True),
        ("1,,3", ",", True),
    ],
)
def test_the_first_line_tells_how_to_read_the_rest(
    tmp_path: Path, line: str, separator: str, has_header: bool
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(line + "\n9;9,9\t9|9|9|9|9\n", encoding="utf-8")
    assert text_files.separator_of(file) == separator
    assert text_files.has_header(file, separator) is has_header
