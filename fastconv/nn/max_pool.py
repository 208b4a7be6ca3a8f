"""Maximum pooling as modules: the arguments that stay the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike, Padding, Size
from fastconv.nn import window
from fastconv.nn.module import Module


class _MaxPool(Module):
    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = window.size(kernel_size, self._rank, "kernel_size")
        self.stride = self.kernel_size if stride is None else window.size(stride, self._rank, "stride")
        self.padding = window.padding(padding, self._rank)
        self.dilation = window.size(dilation, self._rank, "dilation")
        self.return_indices = arguments.flag(return_indices, "return_indices")
        self.ceil_mode = arguments.flag(ceil_mode, "ceil_mode")

    def forward(self, input: ArrayLike) -> Array | tuple[Array, Array]:
        """Pool ``(N, C, *spatial)`` or ``(C, *spatial)``."""
        pooled: Array | tuple[Array, Array] = type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )
        return pooled

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """Take the maximum over windows of signals; as `MaxPool2d`.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, return_indices, ceil_mode
        As in `MaxPool2d`, with one spatial axis.

    See Also
    --------
    fastconv.max_pool1d : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.MaxPool1d(2)([[1.0, 5.0, 2.0, 4.0]])
    array([[5., 4.]])
    """

    _rank = 1
    _function = functional.max_pool1d


class MaxPool2d(_MaxPool):
    """Take the maximum over windows of images.

    ``out[n, c, y, x] = max over i, j of
    input[n, c, y*stride - padding + i*dilation, x*stride - padding + j*dilation]``

    Parameters
    ----------
    kernel_size : int or tuple of int
        Elements of the window, an axis.
    stride, padding, dilation : optional
        As in `fastconv.max_pool2d`.
    return_indices, ceil_mode : bool, default False
        As in `fastconv.max_pool2d`, in PyTorch's order for modules.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.max_pool2d : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> pool = nn.MaxPool2d(2)
    >>> pool
    MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    >>> pool([[[1.0, 5.0], [2.0, 4.0]]])
    array([[[5.]]])
    """

    _rank = 2
    _function = functional.max_pool2d


class MaxPool3d(_MaxPool):
    """Take the maximum over windows of volumes; as `MaxPool2d`.

    Parameters
    ----------
    kernel_size, stride, padding, dilation, return_indices, ceil_mode
        As in `MaxPool2d`, with three spatial axes.

    See Also
    --------
    fastconv.max_pool3d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.MaxPool3d(2)(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[[[7.]]]])
    """

    _rank = 3
    _function = functional.max_pool3d
