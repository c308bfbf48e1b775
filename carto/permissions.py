"""Who may see and change what: privacy levels, and the permissions of visualizations."""

from __future__ import annotations

from carto.fields import CharField, DateTimeField, DictField, EntityField, UserField
from carto.resources import Resource

PRIVATE = "PRIVATE"
PUBLIC = "PUBLIC"
LINK = "LINK"


class Entity(Resource):
    """What a permission is about."""

    id = CharField()
    type = CharField()


class Permission(Resource):
    """The permission of a visualization. What `save` changes is the list of who has access.

    Attributes:
        acl: Who else has access: objects with ``type`` (user, group, org), ``entity`` and ``access`` (r, rw,
            or n to take it away).
    """

    created_at = DateTimeField()
    entity = EntityField()
    id = CharField()
    owner = UserField()
    updated_at = DateTimeField()
    acl = DictField(many=True)

    class Meta:
        """Where permissions are."""

        collection_endpoint = "api/v1/perm/"
        saved_fields = ("acl",)
