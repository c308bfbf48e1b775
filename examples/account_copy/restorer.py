"""What all that restores items of one kind has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from account_copy.folder import Folder, Json
from carto.exceptions import CartoException


class NotRestoredError(CartoException):
    """What came into the account is not what was saved, or can't come there."""


class Restorer(ABC):
    """Restores the items of one kind.

    Args:
        folder: The saved account.

    Attributes:
        kind: Which ones.
        has_files: Whether they are items of the folder, and not parts of others.
    """

    kind: str
    has_files = True

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def entries(self) -> list[tuple[str, Json]]:
        """List the items by their names, as the manifest has them."""
        return list(self.folder.entries(self.kind).items())

    @abstractmethod
    def exists(self, entry: Json) -> bool:
        """Tell whether the account has something of an item's name."""

    @abstractmethod
    def restore(self, entry: Json) -> str:
        """Restore an item, in place of what has its name.

        Returns:
            What is not as it was, or what else there is to say about it.
        """
