"""A stylesheet that was read, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carto.sandbox.cartocss_filters import Condition
from carto.sandbox.cartocss_properties import Property
from carto.sandbox.cartocss_scanner import Place
from carto.sandbox.cartocss_values import Url


@dataclass(frozen=True)
class Problem:
    """Something that makes a stylesheet unusable.

    Attributes:
        place: Where it is.
        message: What is wrong.
        property: Name of the property that is affected, if it is one.
    """

    place: Place
    message: str
    property: str | None = None


class CartoCssError(ValueError):
    """A stylesheet that can't be used.

    Attributes:
        problems: All that was found.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(each.message for each in problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return self.text("style0")

    def text(self, style_name: str) -> str:
        """Tell the problems as CARTO's servers do, one a line.

        Args:
            style_name: Name of the stylesheet: `style0` for that of the first layer.
        """
        return "\n".join(f"{style_name}:{each.place.line}:{each.place.column} {each.message}" for each in self.problems)


@dataclass(frozen=True)
class Declaration:
    """One property with its value.

    Attributes:
        property: The property.
        value: What stands in Mapnik's XML; an image's URL before it was downloaded.
        position: Place in the text.
    """

    property: Property
    value: str | Url
    position: int


@dataclass(frozen=True)
class Block:
    """Properties that hold under a condition.

    Attributes:
        attachment: Name after `::`, which makes a drawing of its own; empty without.
        condition: When they hold.
        specificity: Number of ids, of classes and of filters.
        declarations: The properties, in the order of the text.
    """

    attachment: str
    condition: Condition
    specificity: tuple[int, int, int]
    declarations: tuple[Declaration, ...]


@dataclass(frozen=True)
class StyleSheet:
    """A stylesheet that was read.

    Attributes:
        blocks: Its blocks that can apply to a feature.
        background: Color of the map's background, if it sets one.
    """

    blocks: tuple[Block, ...] = ()
    background: str | None = None

    @property
    def urls(self) -> set[str]:
        """URLs of the images that it uses."""
        declarations = [each for block in self.blocks for each in block.declarations]
        return {each.value.url for each in declarations if isinstance(each.value, Url)}
