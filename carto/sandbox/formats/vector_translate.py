"""Runs GDAL's ogr2ogr as a function of its library, which PostGIS brings along, without the command itself.

A script of its own, started in a process of its own: what goes wrong in GDAL cannot reach the server, and GDAL
writes its errors to standard error. It uses the standard library alone, so that it starts fast. Standard input:
JSON with "source" (a GDAL data source), "target" (a file) and "arguments" (those of ogr2ogr).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import sys

OPEN_VECTOR_VERBOSELY = 0x04 | 0x40
NO_LIBRARY = 127
#: Set by wheels that bring a PROJ of their own, for the whole process and so for this one: mapnik's does it.
PROJ_OF_OTHERS = ("PROJ_LIB", "PROJ_DATA")


def main() -> int:
    """Translate; 0 when all rows were written."""
    task = json.load(sys.stdin)
    name = os.environ.get("GDAL_LIBRARY") or ctypes.util.find_library("gdal")
    if name is None:
        return NO_LIBRARY
    for variable in PROJ_OF_OTHERS:
        os.environ.pop(variable, None)
    gdal = ctypes.CDLL(name)
    for function in ("GDALOpenEx", "GDALVectorTranslate", "GDALVectorTranslateOptionsNew"):
        getattr(gdal, function).restype = ctypes.c_void_p
    gdal.GDALAllRegister()
    source = gdal.GDALOpenEx(task["source"].encode(), OPEN_VECTOR_VERBOSELY, None, None, None)
    if not source:
        return 1
    return _translate(gdal, source, task["target"], task["arguments"])


def _translate(gdal: ctypes.CDLL, source: int, target: str, arguments: list[str]) -> int:
    words = (ctypes.c_char_p * (len(arguments) + 1))(*(word.encode() for word in arguments), None)
    options = ctypes.c_void_p(gdal.GDALVectorTranslateOptionsNew(words, None))
    misused = ctypes.c_int(0)
    sources = (ctypes.c_void_p * 1)(source)
    written = gdal.GDALVectorTranslate(target.encode(), None, 1, sources, options, ctypes.byref(misused))
    if written:
        gdal.GDALClose(ctypes.c_void_p(written))
    gdal.GDALClose(ctypes.c_void_p(source))
    return 0 if written and not misused.value else 1


if __name__ == "__main__":
    sys.exit(main())
