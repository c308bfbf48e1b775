from contextlib import AbstractContextManager
from os import PathLike
from typing import Any

def open_arrow(
    path_or_buffer: str | PathLike[str],
    /,
    layer: str | None = ...,
    *,
    read_geometry: bool = ...,
    return_fids: bool = ...,
    batch_size: int = ...,
    use_pyarrow: bool = ...,
    datetime_as_string: bool = ...,
    **dataset_kwargs: str,
) -> AbstractContextManager[tuple[dict[str, Any], Any]]: ...
