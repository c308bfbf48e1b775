"""Draw the pictures of the guides again: `python -m tests.docs.pictures`, after a change of what they show.

The maps are those that the guides' own code draws; the notebook is run, and photographed in a browser.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from carto.auth import APIKeyAuthClient
from carto.sandbox import Sandbox
from tests.conftest import PROJECT_ROOT
from tests.docs.guide_steps import run, steps
from tests.docs.screens import photographed_notebook

SOURCE = PROJECT_ROOT / "doc" / "source"
IMAGES = SOURCE / "images"
#: Pictures of maps: the page whose code draws each, and the file that it writes.
DRAWN = {
    "tutorial.png": ("tutorial.md", "company.png"),
    "anonymous_map.png": ("guides/maps.md", "world.png"),
    "named_map.png": ("guides/maps.md", "preview.png"),
}


def main() -> None:
    """Draw them all."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("examples").symlink_to(PROJECT_ROOT / "examples")
        for page in dict.fromkeys(page for page, _ in DRAWN.values()):
            draw_maps(page)
        with Sandbox() as sandbox:
            (IMAGES / "notebook.png").write_bytes(photographed_notebook(sandbox, Path(folder)))


def draw_maps(page: str) -> None:
    """Follow a page on an account of its own, and keep the pictures that it draws."""
    with Sandbox() as sandbox, APIKeyAuthClient(sandbox.base_url, sandbox.api_key) as client:
        names = {"__name__": "page", "auth_client": client}
        for step in steps(SOURCE / page):
            run(SOURCE / page, step, names)
    for picture, (drawing_page, file) in DRAWN.items():
        if drawing_page == page:
            shutil.copyfile(file, IMAGES / picture)


if __name__ == "__main__":
    main()
