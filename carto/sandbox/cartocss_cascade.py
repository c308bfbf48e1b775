"""What CartoCSS blocks mean together: for each attachment, rules of which a feature takes the first that fits it.

Blocks inherit from each other: a feature has the properties of all blocks whose conditions it meets, and where several
set the same property, the most specific block wins, or else the later one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from carto.sandbox.cartocss_filters import Condition
from carto.sandbox.cartocss_sheet import Block, Declaration

MAX_RULES = 1000
"""Combinations of conditions in one attachment."""


@dataclass(frozen=True)
class Rule:
    """All properties of the features that meet a condition, and none of the earlier rules'.

    Attributes:
        condition: The condition.
        declarations: The properties that won, by name.
    """

    condition: Condition
    declarations: dict[str, Declaration]


class TooManyRulesError(ValueError):
    """The conditions of a stylesheet overlap in too many ways."""


def attachments(blocks: Iterable[Block]) -> dict[str, list[Rule]]:
    """Sort out which properties hold where.

    Args:
        blocks: The blocks of one stylesheet.

    Returns:
        Rules by attachment, the attachment that is drawn first in front.

    Raises:
        TooManyRulesError: The conditions overlap in too many ways.
    """
    by_attachment: dict[str, list[Block]] = {}
    for block in sorted(blocks, key=_position):
        by_attachment.setdefault(block.attachment, []).append(block)
    return {name: _rules(parts) for name, parts in by_attachment.items()}


def _position(block: Block) -> int:
    return block.declarations[0].position


def _rules(blocks: Iterable[Block]) -> list[Rule]:
    """Split the features anew with each block, the weakest first."""
    rules = [Rule(Condition(), {})]
    for block in sorted(blocks, key=lambda block: (block.specificity, _position(block))):
        rules = _split(rules, block)
        if len(rules) > MAX_RULES:
            raise TooManyRulesError(f"the filters overlap in more than {MAX_RULES} ways")
    while rules and not rules[-1].declarations:
        rules.pop()
    return rules


def _split(rules: Iterable[Rule], block: Block) -> list[Rule]:
    """Put before each rule one for those of its features that meet the block's condition as well."""
    added = {each.property.name: each for each in block.declarations}
    result: dict[Condition, Rule] = {}
    for rule in rules:
        both = rule.condition.joined(block.condition)
        if both is not None:
            # An equal condition further in front has taken all features already.
            result.setdefault(both, Rule(both, {**rule.declarations, **added}))
        result.setdefault(rule.condition, rule)
    return list(result.values())
