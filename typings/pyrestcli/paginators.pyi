from collections.abc import Iterator
from typing import Any

import requests

class Paginator:
    base_url: str
    params: dict[str, Any]
    def __init__(self, base_url: str, params: dict[str, Any] | None = ...) -> None: ...
    def get_urls(self, initial_url: str) -> Iterator[tuple[str, dict[str, Any]]]: ...

class DummyPaginator(Paginator):
    def process_response(self, response: requests.Response) -> requests.Response: ...
