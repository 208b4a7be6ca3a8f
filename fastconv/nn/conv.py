"""Convolutions and transposed convolutions as modules: weight, bias, and the arguments that stay the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike, Padding, Size
from fastconv.nn import init, window
from fastconv.nn.module import Module
from fastconv.nn.parameter import Parameter, array_of

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
Sides = str | tuple[Any, ...]


def _canonical_padding(padding: object, rank: int) -> tuple[Sides, str | tuple[int, ...]]:
    """Return the padding as an attribute, with an entry an axis, and as sides."""
    sides = arguments.padding(padding, rank)
    if isinstance(sides, str):
        return sides, sides
    pairs = tuple(zip(sides[::2], sides[1::2], strict=True))
    even = all(before == after for before, after in pairs)
    return (sides[::2] if even else pairs), sides


class _Convolution(Module):
    """What all convolutions have: arguments, a weight of this shape, initial values, a representation."""

    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Array]]
    weight: Parameter
    bias: Parameter | None

    def _set_up(
        self,
        channels: tuple[object, object, object],
        given: tuple[object, object, object, object, object],
        padding_mode: object,
        new: tuple[bool, DTypeLike, init.Seed],
    ) -> None:
        in_channels, out_channels, groups = channels
        kernel_size, stride, padding, output_padding, dilation = given
        bias, dtype, rng = new
        rank = self._rank
        self.in_channels = arguments.integer(in_channels, "in_channels", 1)
        self.out_channels = arguments.integer(out_channels, "out_channels", 1)
        self.groups = arguments.integer(groups, "groups", 1)
        for name, count in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if count % self.groups:
                raise ValueError(f"{name}={count} must be divisible by groups={self.groups}")
        self.kernel_size = arguments.per_axis(kernel_size, rank, "kernel_size", 1)
        self.stride = arguments.per_axis(stride, rank, "stride", 1)
        self.padding, self._sides = _canonical_padding(padding, rank)
        self.dilation = arguments.per_axis(dilation, rank, "dilation", 1)
        self.output_padding = arguments.per_axis(output_padding, rank, "output_padding", 0)
        if not isinstance(padding_mode, str) or padding_mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode={padding_mode!r} must be one of {', '.join(_PADDING_MODES)}")
        self.padding_mode = padding_mode

        with_bias = arguments.flag(bias, "bias")
        kind = np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}")
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        self.weight = Parameter(np.empty((first, second // self.groups, *self.kernel_size), kind))
        self.register_parameter("bias", Parameter(np.empty(self.out_channels, kind)) if with_bias else None)
        self.reset_parameters(rng)

    transposed: ClassVar[bool] = False

    def reset_parameters(self, rng: init.Seed = None) -> None:
        """Draw weight and bias anew, uniformly up to ``1 / sqrt(fan_in)`` to both sides of 0."""
        rng = init.generator(rng)
        init.kaiming_uniform_(self.weight, math.sqrt(5), rng=rng)
        if self.bias is not None:
            bound = 1 / math.sqrt(init.fan_in_and_out(self.weight)[0])
            init.uniform_(self.bias, -bound, bound, rng)

    def extra_repr(self) -> str:
        rank = self._rank
        parts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        if self.padding != (0,) * rank:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * rank:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * rank:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        dilation: Size = 1,
        groups: SupportsIndex = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        rng: init.Seed = None,
    ) -> None:
        super().__init__()
        self._set_up(
            (in_channels, out_channels, groups),
            (kernel_size, stride, padding, 0, dilation),
            padding_mode,
            (bias, dtype, rng),
        )
        if self.padding == "same" and max(self.stride) > 1:
            raise ValueError(
                f"padding='same' needs stride 1, got stride={self.stride}: "
                "'same_upper' and 'same_lower' do not"
            )
        self._border = None if self.padding_mode == "zeros" else self._pad_of_border()

    def _pad_of_border(self) -> tuple[int, ...]:
        """Return the padding in the form of `pad`: the last axis first."""
        sides = self._sides
        if sides in ("same_upper", "same_lower"):
            raise ValueError(f"padding={sides!r} needs padding_mode='zeros', got {self.padding_mode!r}")
        if isinstance(sides, str):
            totals = [(k - 1) * d for k, d in zip(self.kernel_size, self.dilation, strict=True)]
            if sides == "valid":
                totals = [0] * self._rank
            sides = tuple(side for total in totals for side in (total // 2, total - total // 2))
        pairs = [sides[axis : axis + 2] for axis in range(0, 2 * self._rank, 2)]
        return tuple(side for pair in reversed(pairs) for side in pair)

    def forward(self, input: ArrayLike) -> Array:
        """Convolve ``(N, C_in, *spatial)`` or ``(C_in, *spatial)``."""
        padding = window.even(self.padding)
        if self._border is not None:
            input, padding = functional.pad(input, self._border, self.padding_mode), 0
        return type(self)._function(
            input,
            self.weight.data,
            array_of(self.bias),
            window.even(self.stride),
            padding,
            window.even(self.dilation),
            self.groups,
        )


class Conv1d(_Conv):
    """Convolve signals of one spatial axis; as `Conv2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype, rng
        As in `Conv2d`, with one spatial axis.

    See Also
    --------
    fastconv.conv1d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> conv = nn.Conv1d(2, 4, 3)
    >>> conv
    Conv1d(2, 4, kernel_size=(3,), stride=(1,))
    >>> conv(np.ones((1, 2, 10))).shape
    (1, 4, 8)
    """

    _rank = 1
    _function = functional.conv1d


class Conv2d(_Conv):
    """Convolve images.

    ``out[n, o, y, x] = bias[o] + sum over c, i, j of
    weight[o, c, i, j] * padded[n, c, y*stride + i*dilation, x*stride + j*dilation]``

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output; `groups` divides both.
    kernel_size : int or tuple of int
        Elements of the window, an axis.
    stride, padding, dilation, groups : optional
        As in `fastconv.conv2d`.
    bias : bool, default True
        Whether a number is added to each output channel.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
        What the input is padded with, as in `fastconv.pad`. Others than zeros need padding in numbers,
        ``"same"`` or ``"valid"``.
    dtype : {float32, float64}, default float32
        Type of weight and bias.
    rng : numpy.random.Generator or int, optional
        Where the initial values come from; different every time, if not given.

    Attributes
    ----------
    weight : Parameter
        ``(out_channels, in_channels/groups, K_h, K_w)``; at first uniform up to ``1 / sqrt(fan_in)`` to both
        sides of 0, where ``fan_in`` is the number of inputs of an output.
    bias : Parameter or None
        ``(out_channels,)``; at first as the weight.
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, padding_mode
        The arguments; sizes as tuples with an entry an axis.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or channels are not divisible by `groups`.

    See Also
    --------
    fastconv.conv2d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> conv = nn.Conv2d(3, 8, 3, padding=1, rng=0)
    >>> conv
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> conv(np.ones((1, 3, 32, 32), dtype=np.float32)).shape
    (1, 8, 32, 32)
    >>> conv.weight.shape
    (8, 3, 3, 3)
    """

    _rank = 2
    _function = functional.conv2d


class Conv3d(_Conv):
    """Convolve volumes; as `Conv2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, dtype, rng
        As in `Conv2d`, with three spatial axes.

    See Also
    --------
    fastconv.conv3d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.Conv3d(1, 2, (1, 3, 3), padding=(0, 1, 1))(np.ones((1, 1, 4, 8, 8))).shape
    (1, 2, 4, 8, 8)
    """

    _rank = 3
    _function = functional.conv3d
