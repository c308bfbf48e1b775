"""Looking at pictures: PNG as an array of its pixels, and which of them have a color."""

from __future__ import annotations

import io
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Rows, columns, and red, green and blue.
Pixels: TypeAlias = NDArray[np.int16]


def pixels(png: bytes) -> Pixels:
    """Read a picture."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.int16)


def colored(picture: Pixels, color: str, tolerance: int = 30) -> NDArray[np.bool_]:
    """Tell for each pixel whether it has about the color, given as #rrggbb."""
    wanted = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)])
    return np.asarray((abs(picture - wanted) <= tolerance).all(axis=2))
