import builtins
from typing import Any

import requests

ERRORS: dict[int, str]

class BaseException(builtins.Exception):  # noqa: A001
    status_code: Any
    headers: Any
    reason: Any
    url: Any
    def __init__(
        self,
        message: Any,
        status_code: int | None = ...,
        headers: Any = ...,
        reason: str | None = ...,
        url: str | None = ...,
    ) -> None: ...
    @staticmethod
    def create(response: requests.Response) -> BaseException: ...

class BadRequestException(BaseException): ...
class UnauthorizedErrorException(BaseException): ...
class ForbiddenErrorException(BaseException): ...
class NotFoundException(BaseException): ...
class UnprocessableEntityError(BaseException): ...
class RateLimitException(BaseException): ...
class ServerErrorException(BaseException): ...
