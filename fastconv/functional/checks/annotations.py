"""Types of the public signatures."""

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Activation", "Array", "ArrayLike", "DTypeLike", "OutputSize", "Padding", "Size"]

Array: TypeAlias = NDArray[Any]
Size: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
OutputSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex | None]
Padding: TypeAlias = str | Size | Sequence[Sequence[SupportsIndex]]
Activation: TypeAlias = str | tuple[str, float] | tuple[str, float, float]
