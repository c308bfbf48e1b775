"""Datasets and maps as the server describes them."""

from __future__ import annotations

from typing import Any

DATASET_ID = "2954fa60-5a02-41e5-888a-0e5e07bb5d8a"
MAP_ID = "5f1f9d0c-1a8d-4c0a-8c5e-3d2b1a0f9e8d"
TABLE_ID = "f0a3a3e0-2f3b-4f8e-9b77-2b3a1d7c9f10"

OWNER = {"id": "9d7cbb9e-95a4-4a2e-8f6a-8b7f6c5d4e3f", "username": "me", "name": None, "email": "me@example.com",
         "base_url": "https://me.carto.com", "quota_in_bytes": 104857600, "table_count": 12, "viewer": False}
PERMISSION = {"id": "e1a8bb0c-9a51-4bd3-a6c0-6a7f9dabc003", "owner": OWNER,
              "entity": {"id": DATASET_ID, "type": "vis"}, "acl": [], "created_at": "2020-03-02T10:00:03.100Z",
              "updated_at": "2020-03-02T10:00:03.100Z"}


def visualization(**more: Any) -> dict[str, Any]:
    """Make what datasets and maps have in common."""
    return {
        "id": DATASET_ID, "name": "stores", "display_name": None, "map_id": "b7a1a5de-6f0e-4a4f-8a8e-51d0c3a1b001",
        "active_layer_id": "c3c5a8c2-0e33-4d0e-9f55-2b7d1f3ab002", "type": "table", "tags": ["retail"],
        "description": "Store locations", "privacy": "PRIVATE", "created_at": "2020-03-02T10:00:03.120Z",
        "updated_at": "2020-03-05T09:12:44.011Z", "locked": False, "source": None, "title": None, "license": None,
        "attributions": None, "kind": "geom", "external_source": {}, "url": "https://me.carto.com/tables/stores",
        "version": 3, "prev_id": None, "next_id": None, "parent_id": None, "transition_options": {},
        "active_child": None, "children": [], "synchronization": None, "uses_builder_features": False, "liked": False,
        "permission": PERMISSION, "stats": {"2020-02-05": 0, "2020-02-06": 3},
        "auth_tokens": ["x9f3YzQk1mRr7aV0bN2cLw"], **more}


def dataset(**more: Any) -> dict[str, Any]:
    """Make a dataset."""
    table = {"id": TABLE_ID, "name": "stores", "geometry_types": ["ST_Point"], "privacy": "PRIVATE",
             "updated_at": "2020-03-05T09:12:44.000Z", "synchronization": None, "size": 131072, "row_count": 1520,
             "permission": PERMISSION}
    return visualization(**{"table": table, "dependent_visualizations": [], "dependent_visualizations_count": 0,
                            **more})


def map_(**more: Any) -> dict[str, Any]:
    """Make a map."""
    return visualization(**{"id": MAP_ID, "name": "my map", "type": "derived", "table": {},
                            "url": f"https://me.carto.com/viz/{MAP_ID}/map", **more})


def listing(*items: dict[str, Any]) -> dict[str, Any]:
    """Make a page that is the whole list."""
    return {"visualizations": list(items), "total_entries": len(items), "total_user_entries": len(items),
            "total_locked": 0, "total_likes": 0, "total_shared": 0}
