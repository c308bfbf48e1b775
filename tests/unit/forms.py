"""Forms as a real parser reads them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from python_multipart import FormParser
from python_multipart.multipart import parse_options_header


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
    parts: list[Part] = []

    def take(file):
        file.file_object.seek(0)
        parts.append(Part(file.field_name.decode(), file.file_name.decode(), file.file_object.read()))
        file.close()

    parser = FormParser("multipart/form-data", None, take, boundary=options[b"boundary"],
                        config={"MAX_MEMORY_FILE_SIZE": 2**30})
    source = BytesIO(body)
    while block := source.read(65536):
        parser.write(block)
    parser.finalize()
    parser.close()
    return parts
