"""Forms as a real parser reads them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from python_multipart import FormParser
from python_multipart.multipart import File, parse_options_header


@dataclass(frozen=True)
class Part:
    """A file in a form."""

    name: str
    filename: str
    content: bytes


def parts_of(content_type: str, body: bytes) -> list[Part]:
    """Parse a multipart form that holds files."""
    kind, options = parse_options_header(content_type)
    assert kind == b"multipart/form-data"
    files: list[File] = []
    parser = FormParser("multipart/form-data", None, files.append, boundary=options[b"boundary"],
                        config={"MAX_MEMORY_FILE_SIZE": 2**30})
    source = BytesIO(body)
    while block := source.read(65536):
        parser.write(block)
    parser.finalize()
    parser.close()
    return [_part(file) for file in files]


def _part(file: File) -> Part:
    file.file_object.seek(0)
    part = Part(file.field_name.decode(), file.file_name.decode(), file.file_object.read())
    file.close()
    return part
