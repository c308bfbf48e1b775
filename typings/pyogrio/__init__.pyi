from os import PathLike
from typing import Any

def list_layers(path_or_buffer: str | PathLike[str], /) -> Any: ...
def read_info(
    path_or_buffer: str | PathLike[str],
    /,
    layer: str | None = ...,
    *,
    force_feature_count: bool = ...,
    **dataset_kwargs: str,
) -> dict[str, Any]: ...
