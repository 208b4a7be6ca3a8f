"""Average pooling as modules: the arguments that stay the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, SupportsIndex

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike, OutputSize, Padding, Size
from fastconv.nn import window
from fastconv.nn.module import Module


class _AvgPool(Module):
    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Array]]
    divisor_override: int | None = None

    def _set_up(
        self, kernel_size: object, stride: object, padding: object, ceil_mode: object, include: object
    ) -> None:
        self.kernel_size = window.size(kernel_size, self._rank, "kernel_size")
        self.stride = self.kernel_size if stride is None else window.size(stride, self._rank, "stride")
        self.padding = window.padding(padding, self._rank)
        self.ceil_mode = arguments.flag(ceil_mode, "ceil_mode")
        self.count_include_pad = arguments.flag(include, "count_include_pad")

    def forward(self, input: ArrayLike) -> Array:
        """Pool ``(N, C, *spatial)`` or ``(C, *spatial)``."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _DividedAvgPool(_AvgPool):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: SupportsIndex | None = None,
    ) -> None:
        super().__init__()
        self._set_up(kernel_size, stride, padding, ceil_mode, count_include_pad)
        if divisor_override is not None:
            divisor_override = arguments.integer(divisor_override, "divisor_override")
            if divisor_override == 0:
                raise ValueError("divisor_override=0 must not be zero")
        self.divisor_override = divisor_override


class AvgPool1d(_AvgPool):
    """Average over windows of signals; as `AvgPool2d`, without a divisor of one's own.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad
        As in `AvgPool2d`, with one spatial axis.

    See Also
    --------
    fastconv.avg_pool1d : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.AvgPool1d(2)([[1.0, 5.0, 2.0, 4.0]])
    array([[3., 3.]])
    """

    _rank = 1
    _function = functional.avg_pool1d

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self._set_up(kernel_size, stride, padding, ceil_mode, count_include_pad)
        # As in PyTorch, which keeps tuples here and whatever it was given for two and three axes.
        for name in ("kernel_size", "stride", "padding"):
            value = getattr(self, name)
            setattr(self, name, value if isinstance(value, (str, tuple)) else _tuple(value))


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


class AvgPool2d(_DividedAvgPool):
    """Average over windows of images.

    ``out[n, c, y, x] = sum over i, j of padded[n, c, y*stride + i, x*stride + j] / divisor``

    Parameters
    ----------
    kernel_size : int or tuple of int
        Elements of the window, an axis.
    stride, padding, ceil_mode, count_include_pad, divisor_override : optional
        As in `fastconv.avg_pool2d`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.avg_pool2d : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> pool = nn.AvgPool2d(2)
    >>> pool
    AvgPool2d(kernel_size=2, stride=2, padding=0)
    >>> pool([[[1.0, 5.0], [2.0, 4.0]]])
    array([[[3.]]])
    """

    _rank = 2
    _function = functional.avg_pool2d


class AvgPool3d(_DividedAvgPool):
    """Average over windows of volumes; as `AvgPool2d`.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        As in `AvgPool2d`, with three spatial axes.

    See Also
    --------
    fastconv.avg_pool3d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.AvgPool3d(2)(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[[[3.5]]]])
    """

    _rank = 3
    _function = functional.avg_pool3d


class _AdaptiveAvgPool(Module):
    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Array]]

    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        arguments.kept_sizes(output_size, (1,) * self._rank, "output_size")
        self.output_size = window.plain(output_size)

    def forward(self, input: ArrayLike) -> Array:
        """Pool ``(N, C, *spatial)`` or ``(C, *spatial)``."""
        return type(self)._function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Average over as many windows of signals as outputs are wanted.

    Parameters
    ----------
    output_size : int or tuple of int or None
        As in `AdaptiveAvgPool2d`, with one spatial axis.

    See Also
    --------
    fastconv.adaptive_avg_pool1d : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.AdaptiveAvgPool1d(1)([[1.0, 5.0, 2.0, 4.0]])
    array([[3.]])
    """

    _rank = 1
    _function = functional.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Average over as many windows of images as outputs are wanted.

    ``out[n, c, y, x] = mean of
    input[n, c, y*H // H_out : ceil((y + 1)*H / H_out), x*W // W_out : ceil((x + 1)*W / W_out)]``

    Parameters
    ----------
    output_size : int or tuple of int or None
        Outputs, an axis; None keeps the size of an axis.

    Raises
    ------
    TypeError, ValueError
        If it is of the wrong type, or negative.

    See Also
    --------
    fastconv.adaptive_avg_pool2d : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.AdaptiveAvgPool2d(1)([[[1.0, 5.0], [2.0, 4.0]]])
    array([[[3.]]])
    """

    _rank = 2
    _function = functional.adaptive_avg_pool2d


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Average over as many windows of volumes as outputs are wanted.

    Parameters
    ----------
    output_size : int or tuple of int or None
        As in `AdaptiveAvgPool2d`, with three spatial axes.

    See Also
    --------
    fastconv.adaptive_avg_pool3d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.AdaptiveAvgPool3d(1)(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[[[3.5]]]])
    """

    _rank = 3
    _function = functional.adaptive_avg_pool3d
