"""Pictures of maps: composes Mapnik maps, tiles of other servers and plain colours, in processes of their own.

Mapnik blocks while it asks PostgreSQL and draws, and may be killed; so it runs in a few worker processes
(`carto.sandbox.render_worker`), each started when it is first needed and replaced when it dies or takes too long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

from carto.sandbox.cartocss_cascade import TooManyRulesError
from carto.sandbox.css_colors import TRANSPARENT, Color
from carto.sandbox.map_view import View
from carto.sandbox.mapnik_style import DEFAULT_BUFFER_PX, MapnikLayer, UnusableTextError, map_xml
from carto.sandbox.remote_images import RemoteImageError, RemoteImages
from carto.sandbox.render_process import RenderProcess

WORKERS = 2
RENDER_LIMIT_S = 30.0
MAX_SIDE = 8192
"""Longest side of a picture, in its own pixels."""

ImageFormat = Literal["png", "jpg"]

_PIP_COMMAND = "pip install mapnik"
_CUT_SHORT = ("statement timeout", "canceling statement due to user request")


class RenderError(Exception):
    """A picture could not be made; the message is Mapnik's, PostgreSQL's or ours."""


class RenderTimeoutError(RenderError):
    """A picture, or a query for it, took longer than the limit."""


class RendererMissingError(RenderError):
    """Mapnik is not installed; the message says how to install it."""


@dataclass(frozen=True)
class MapPicture:
    """Layers drawn by Mapnik.

    Attributes:
        xml: Mapnik's style and data sources, as `Renderer.map_picture` makes them.
    """

    xml: str = field(repr=False)


@dataclass(frozen=True)
class TilePicture:
    """Tiles of another server.

    Attributes:
        url_template: URL with ``{z}``, ``{x}``, ``{y}`` and maybe ``{s}``.
        subdomains: What ``{s}`` stands for, one after the other.
        tms: Whether y is counted from the south.
    """

    url_template: str
    subdomains: Sequence[str] = ("a", "b", "c")
    tms: bool = False

    def url(self, zoom: int, x: int, y: int) -> str:
        """Give the URL of one tile; the same one for the same tile, whatever the number of subdomains."""
        row = 2**zoom - 1 - y if self.tms else y
        values = {"z": str(zoom), "x": str(x), "y": str(row)}
        if self.subdomains:
            values["s"] = self.subdomains[(x + y) % len(self.subdomains)]
        url = self.url_template
        for name, value in values.items():
            url = url.replace(f"{{{name}}}", value)
        return url


@dataclass(frozen=True)
class PlainPicture:
    """One colour, or an image repeated all over.

    Attributes:
        color: The colour (`carto.sandbox.css_colors.color_of_option` reads a layer's).
        image_url: URL of the image, if it is not a colour.
    """

    color: Color = TRANSPARENT
    image_url: str | None = None


Picture = MapPicture | TilePicture | PlainPicture


class Renderer:
    """Draws pictures; one for a whole server.

    Args:
        images: Where tiles and images of other servers come from.
        workers: Number of processes.
        limit_s: Seconds that one picture may take once its worker begins.
    """

    def __init__(self, images: RemoteImages, *, workers: int = WORKERS, limit_s: float = RENDER_LIMIT_S) -> None:
        self._images = images
        self._limit_s = limit_s
        self._processes = [RenderProcess() for _ in range(workers)]
        self._idle = list(self._processes)
        self._free = asyncio.Semaphore(workers)

    async def map_picture(self, layers: Sequence[MapnikLayer], buffer_size: int = DEFAULT_BUFFER_PX) -> MapPicture:
        """Make layers ready to be drawn, which fetches the images that their stylesheets name.

        Args:
            layers: Layers to draw over each other, the first one lowest.
            buffer_size: Pixels around a picture whose features are drawn as well, since they may reach into it.

        Raises:
            RenderError: An image could not be had, the filters of a stylesheet overlap in too many ways, or a text
                holds what XML can't.
        """
        try:
            files = {
                url: await self._images.file(url, f"style{index}")
                for index, layer in enumerate(layers)
                for url in sorted(layer.sheet.urls)
            }
            return MapPicture(await asyncio.to_thread(map_xml, layers, buffer_size, files))
        except (RemoteImageError, TooManyRulesError, UnusableTextError) as error:
            raise RenderError(str(error)) from error

    async def draw(self, pictures: Sequence[Picture], view: View, image_format: ImageFormat = "png") -> bytes:
        """Draw pictures over each other, the first one lowest, and return the file.

        Args:
            pictures: What to draw.
            view: What part of the world it shows.
            image_format: ``png``, or ``jpg`` on a white ground.

        Raises:
            RendererMissingError: Mapnik is not installed.
            RenderTimeoutError: It took too long, or PostgreSQL cancelled the query.
            RenderError: Mapnik or PostgreSQL refused, or a remote image could not be had.
        """
        if not has_mapnik():
            raise RendererMissingError(f"Images need Mapnik, which is not installed here: {_PIP_COMMAND}")
        _check_size(view)
        try:
            described = [await self._describe(picture, view) for picture in pictures]
        except RemoteImageError as error:
            raise RenderError(str(error)) from error
        parts = [part for part, _ in described]
        files = [file for _, files in described for file in files]
        job = {"parts": parts, "view": _pixels(view), "format": image_format, "limit_s": self._limit_s}
        return await self._run(job, files)

    async def close(self) -> None:
        """End all workers."""
        for process in self._processes:
            await process.stop()

    async def _describe(self, picture: Picture, view: View) -> tuple[dict[str, Any], list[bytes]]:
        """Describe a picture to a worker, with the files that it needs."""
        if isinstance(picture, MapPicture):
            pieces = [{"x": x, "extent": piece.extent, **_pixels(piece)} for x, piece in view.worlds()]
            return {"kind": "map", "xml": picture.xml, "pieces": pieces}, []
        if isinstance(picture, TilePicture):
            exact = view.at_scale_1()
            tiles = exact.tiles()
            files = await asyncio.gather(*(self._images.tile(picture.url(exact.zoom, x, y)) for x, y, _, _ in tiles))
            return {"kind": "tiles", "offsets": [(left, top) for _, _, left, top in tiles]}, files
        if picture.image_url is not None:
            return {"kind": "pattern", "origin": (view.left, view.top)}, [await self._images.image(picture.image_url)]
        return {"kind": "color", "color": picture.color}, []

    async def _run(self, job: dict[str, Any], files: Sequence[bytes]) -> bytes:
        async with self._free:
            process = self._idle.pop()
            try:
                answer, image = await asyncio.wait_for(process.run(job, files), self._limit_s)
                if answer.get("worn_out"):
                    await process.stop()
            except asyncio.TimeoutError as error:
                raise RenderTimeoutError(f"The picture took longer than {self._limit_s:g} s") from error
            except EOFError as error:
                raise RenderError(str(error)) from error
            finally:
                self._idle.append(process)
        if "error" in answer:
            raise _error(answer["error"])
        return image


def has_mapnik() -> bool:
    """Tell whether there is something to draw with."""
    return find_spec("mapnik") is not None


def _check_size(view: View) -> None:
    sides = (view.width * view.scale, view.height * view.scale)
    if min(sides) < 1 or max(sides) > MAX_SIDE:
        raise RenderError(f"Images have sides of 1 to {MAX_SIDE} pixels, not {sides[0]} x {sides[1]}")


def _pixels(view: View) -> dict[str, int]:
    return {"width": view.width, "height": view.height, "scale": view.scale}


def _error(message: str) -> RenderError:
    if any(reason in message for reason in _CUT_SHORT):
        return RenderTimeoutError(message)
    return RenderError(message)
