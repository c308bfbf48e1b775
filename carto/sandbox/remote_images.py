"""Images that maps take from other servers: tiles of `http` layers, patterns of `plain` ones, marker files.

A map comes from whoever may make one, and the sandbox may reach what that person may not. So only hosts that were
allowed are asked, this machine alone by default, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Collection
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

TIMEOUT_S = 2.0
MAX_BYTES = 4 * 1024 * 1024
_SUFFIXES = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg"}


class RemoteImageError(Exception):
    """An image of another server could not be had; the message says which and why."""


class _NoRedirects(HTTPRedirectHandler):
    """Has redirects reported as the errors that they are here."""

    def redirect_request(self, *_args: object) -> None:
        """Make no request for the new place."""


class RemoteImages:
    """Downloads images from allowed hosts.

    Args:
        directory: Where marker files are kept.
        allowed_hosts: Names of hosts besides this machine's own, without port.
    """

    def __init__(self, directory: Path, allowed_hosts: Collection[str] = ()) -> None:
        self._directory = directory
        self._allowed_hosts = frozenset(allowed_hosts)
        self._opener = _opener()

    async def tile(self, url: str) -> bytes:
        """Download a tile.

        Raises:
            RemoteImageError: The host is not allowed or did not give one.
        """
        try:
            return await self._get(url)
        except OSError as error:
            raise RemoteImageError(f"Unable to fetch http tile: {url}") from error

    async def image(self, url: str, style_name: str | None = None) -> bytes:
        """Download an image.

        Args:
            url: Where it is.
            style_name: Name of the stylesheet that wants it, for error messages.

        Raises:
            RemoteImageError: The host is not allowed or did not give one.
        """
        try:
            return await self._get(url)
        except OSError as error:
            wanted = f"'{url}' for '{style_name}'" if style_name else f"'{url}'"
            raise RemoteImageError(f"Unable to download {wanted}{_status(error)}") from error

    async def file(self, url: str, style_name: str) -> Path:
        """Download an image once, for Mapnik to read.

        Args:
            url: Where it is.
            style_name: Name of the stylesheet that wants it, for error messages.

        Raises:
            RemoteImageError: The host is not allowed, did not give one, or gave none of PNG, JPEG and SVG.
        """
        stem = hashlib.sha256(url.encode()).hexdigest()
        kept = next(self._directory.glob(f"{stem}.*"), None)
        if kept is not None:
            return kept
        content = await self.image(url, style_name)
        suffix = _suffix(content)
        if suffix is None:
            raise RemoteImageError(f"'{url}' is no PNG, JPEG or SVG image")
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{stem}{suffix}"
        path.write_bytes(content)
        return path

    async def _get(self, url: str) -> bytes:
        self._check_host(url)
        return await asyncio.to_thread(self._download, url)

    def _download(self, url: str) -> bytes:
        request = Request(url, headers={"User-Agent": "carto-sandbox"})  # noqa: S310 -- _check_host saw it
        with self._opener.open(request, timeout=TIMEOUT_S) as response:
            content: bytes = response.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise RemoteImageError(f"'{url}' is larger than {MAX_BYTES // 1024**2} MB")
        return content

    def _check_host(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError as error:
            raise RemoteImageError(f"'{url}' is no URL: {error}") from error
        if parts.scheme not in ("http", "https"):
            raise RemoteImageError(f"'{url}' is no http or https URL")
        if host not in self._allowed_hosts and not _is_loopback(host):
            raise RemoteImageError(f"The sandbox may not fetch images from '{host}': start it with --image-host {host}")


def _suffix(content: bytes) -> str | None:
    """Tell the format of an image, as the extension by which Mapnik knows it."""
    if b"<svg" in content:
        return ".svg"
    return next((suffix for start, suffix in _SUFFIXES.items() if content.startswith(start)), None)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _opener() -> OpenerDirector:
    # No proxy: it would be asked for loopback addresses as well, and could look up allowed names elsewhere.
    return build_opener(_NoRedirects, ProxyHandler({}))


def _status(error: OSError) -> str:
    if isinstance(error, HTTPError):
        return f" (server returned {error.code})"
    reason = error.reason if isinstance(error, URLError) else error
    return f" ({reason})"
