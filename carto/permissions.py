"""Who may see and change what: privacy levels, and the permissions of visualizations."""

from __future__ import annotations

from typing import Any

from carto.fields import CharField, DateTimeField, EntityField, UserField
from carto.resources import Resource

PRIVATE = "PRIVATE"
PUBLIC = "PUBLIC"
LINK = "LINK"


class Entity(Resource):
    """What a permission is about."""

    id = CharField()
    type = CharField()


class Permission(Resource):
    """The permission of a visualization.

    Attributes:
        acl: Who else has access, as the server lists it; None when it was not sent.
    """

    created_at = DateTimeField()
    entity = EntityField()
    id = CharField()
    owner = UserField()
    updated_at = DateTimeField()

    acl: Any = None
