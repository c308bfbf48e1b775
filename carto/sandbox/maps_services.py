"""What all endpoints of the Maps API share: kept maps and templates, the renderer, the clock."""

from __future__ import annotations

from pathlib import Path

from carto.sandbox.map_instances import MapInstances
from carto.sandbox.moving_clock import MovingClock
from carto.sandbox.remote_images import RemoteImages
from carto.sandbox.rendering import Renderer
from carto.sandbox.state import ServerState
from carto.sandbox.template_store import TemplateStore

IMAGES_DIRECTORY = "map_images"


class MapsServices:
    """Starts and stops together what the Maps API needs.

    Args:
        state: What all endpoints of the sandbox share.
        clock: Says when maps expire.

    Attributes:
        state: The same.
        instances: Instances of maps.
        templates: Templates of named maps.
        images: Images of other servers.
        renderer: Draws images.
    """

    def __init__(self, state: ServerState, clock: MovingClock) -> None:
        self.state = state
        self.instances = MapInstances(state, clock)
        self.templates = TemplateStore(state)
        self.images = RemoteImages(_images_directory(state.options.data_dir), state.options.image_hosts)
        self.renderer = Renderer(self.images)

    async def start(self) -> None:
        """Connect to the sandbox's own database."""
        await self.instances.start()
        await self.templates.start()

    async def stop(self) -> None:
        """Disconnect and end the processes that draw."""
        await self.renderer.close()
        await self.templates.stop()
        await self.instances.stop()


def _images_directory(data_dir: Path) -> Path:
    directory = data_dir / IMAGES_DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    return directory
