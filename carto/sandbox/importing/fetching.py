"""Fetches a file from a URL: conditionally, within limits, and from no host that is not allowed."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import socket
import time
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib import error, request
from urllib.parse import unquote, urlsplit

from carto.sandbox.import_errors import ImportFailed

SCHEMES = ("http", "https", "ftp")
READ_TIMEOUT_S = 60
WHOLE_TIMEOUT_S = 600
READ_BYTES = 1 << 18
_EXTENSIONS = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "geojson",
    "application/geo+json": "geojson",
    "application/vnd.geo+json": "geojson",
    "application/zip": "zip",
    "application/x-zip-compressed": "zip",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/gpx+xml": "gpx",
    "application/geopackage+sqlite3": "gpkg",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.ms-excel": "xls",
}
_HTTP_CODES = {401: 1101, 403: 1101, 404: 1100}


@dataclass(frozen=True)
class Wanted:
    """What is fetched.

    Attributes:
        url: An http, https or ftp URL.
        remote_hosts: Whether hosts other than this machine may be reached.
        max_bytes: The largest file that may be fetched.
        etag: ETag of an earlier answer.
        modified_at: Last-Modified of an earlier answer.
    """

    url: str
    remote_hosts: bool
    max_bytes: int
    etag: str | None = None
    modified_at: str | None = None


def fetch(wanted: Wanted, target: Path) -> dict[str, Any] | None:
    """Write what a URL answers into a file.

    Args:
        wanted: What is fetched.
        target: Where it goes.

    Returns:
        ``filename``, ``etag``, ``modified_at`` and ``checksum``; None when it has not changed.

    Raises:
        ImportFailed: 1001, 1020, 1100-1103 or 6666.
    """
    try:
        with _opener(wanted.remote_hosts).open(_request(wanted), timeout=READ_TIMEOUT_S) as answer:
            checksum = _save(answer, answer.headers, target, wanted.max_bytes)
            return {
                "filename": _filename(answer.headers, answer.url),
                "etag": answer.headers["ETag"],
                "modified_at": answer.headers["Last-Modified"],
                "checksum": checksum,
            }
    except error.HTTPError as refusal:
        refusal.close()
        if refusal.code == http.HTTPStatus.NOT_MODIFIED:
            return None
        raise ImportFailed(_HTTP_CODES.get(refusal.code, 1001), str(refusal), refusal.code) from refusal
    except TimeoutError as failure:
        raise ImportFailed(1020, str(failure)) from failure
    except (OSError, http.client.HTTPException) as failure:
        raise _unreachable(failure) from failure


def _request(wanted: Wanted) -> request.Request:
    headers = {"User-Agent": "carto-sandbox", "Accept-Encoding": "identity"}
    if wanted.etag:
        headers["If-None-Match"] = wanted.etag
    if wanted.modified_at:
        headers["If-Modified-Since"] = wanted.modified_at
    check_host(wanted.url, wanted.remote_hosts)
    return request.Request(wanted.url, headers=headers)  # noqa: S310 -- the scheme was looked at


def check_host(url: str, remote_hosts: bool) -> None:
    """Refuse a URL of a kind, or of a host, that may not be read.

    Raises:
        ImportFailed: 1102.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ImportFailed(1102, f"{parts.scheme or 'no scheme'}: only {', '.join(SCHEMES)} URLs can be imported")
    if not remote_hosts and not is_loopback(parts.hostname):
        raise ImportFailed(1102, f"{parts.hostname} is another machine, which remote_hosts has to allow")


def is_loopback(host: str) -> bool:
    """Tell whether all addresses of a host are those of this machine.

    Raises:
        ImportFailed: 1102, it has none.
    """
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as failure:
        raise ImportFailed(1102, f"{host}: {failure}") from failure
    return all(ipaddress.ip_address(str(address[4][0])).is_loopback for address in found)


def _opener(remote_hosts: bool) -> request.OpenerDirector:
    # Proxies stand between us and the hosts that are allowed; those on this machine need none.
    proxies = request.ProxyHandler(None if remote_hosts else {})
    return request.build_opener(proxies, _CheckedRedirects(remote_hosts))


class _CheckedRedirects(request.HTTPRedirectHandler):
    """Follows redirections to allowed hosts only."""

    def __init__(self, remote_hosts: bool) -> None:
        self._remote_hosts = remote_hosts

    def redirect_request(
        self, req: request.Request, fp: IO[bytes], code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> request.Request | None:
        """Give the request that follows a redirection."""
        check_host(newurl, self._remote_hosts)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _save(answer: Any, headers: Message, target: Path, max_bytes: int) -> str:
    """Write the body into a file and return its SHA-256.

    Raises:
        ImportFailed: 1020, 1103 or 6666.
    """
    announced = int(headers["Content-Length"]) if (headers["Content-Length"] or "").isdigit() else None
    if announced is not None and announced > max_bytes:
        raise ImportFailed(6666, f"{announced} bytes are announced, at most {max_bytes} may be imported")
    deadline = time.monotonic() + WHOLE_TIMEOUT_S
    received, digest = 0, hashlib.sha256()
    with target.open("wb") as file:
        while piece := answer.read1(READ_BYTES) if hasattr(answer, "read1") else answer.read(READ_BYTES):
            received += len(piece)
            if received > max_bytes:
                raise ImportFailed(6666, f"at most {max_bytes} bytes may be imported")
            if time.monotonic() > deadline:
                raise ImportFailed(1020, f"{received} bytes in {WHOLE_TIMEOUT_S} s")
            digest.update(piece)
            file.write(piece)
    if announced is not None and received < announced:
        raise ImportFailed(1103, f"{received} bytes of {announced}")
    return digest.hexdigest()


def _filename(headers: Message, url: str) -> str:
    """Name the file as its headers do, else as the URL; an extension may come from its type."""
    name = headers.get_filename() or unquote(urlsplit(url).path.rpartition("/")[2])
    name = name.replace("/", "_") or "untitled"
    extension = _EXTENSIONS.get(headers.get_content_type())
    return f"{name}.{extension}" if extension and "." not in name else name


def _unreachable(failure: Exception) -> ImportFailed:
    reason = failure.reason if isinstance(failure, error.URLError) else failure
    if isinstance(reason, TimeoutError):
        return ImportFailed(1020, str(reason))
    if isinstance(reason, socket.gaierror):
        return ImportFailed(1102, str(reason))
    if isinstance(reason, http.client.IncompleteRead):
        return ImportFailed(1103, str(reason))
    return ImportFailed(1001, str(reason))
