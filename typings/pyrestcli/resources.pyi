from typing import Any, ClassVar

class APIConnected:
    client: Any
    def __init__(self, auth_client: Any) -> None: ...
    @classmethod
    def get_collection_endpoint(cls) -> str: ...

class ResourceMetaclass(type): ...

class Resource(APIConnected, metaclass=ResourceMetaclass):
    fields: ClassVar[list[str]]

class Manager(APIConnected):
    resource_class: Any
    json_collection_attribute: str | None
    paginator_class: Any
    paginator: Any
