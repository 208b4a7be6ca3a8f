"""Transposed convolutions as modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike, Padding, Size
from fastconv.nn import init, window
from fastconv.nn.conv import _Convolution
from fastconv.nn.parameter import array_of


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: SupportsIndex,
        out_channels: SupportsIndex,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        output_padding: Size = 0,
        groups: SupportsIndex = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        *,
        dtype: DTypeLike = np.float32,
        rng: init.Seed = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f"padding_mode={padding_mode!r} must be 'zeros' in {type(self).__name__}")
        if isinstance(padding, str):
            raise ValueError(
                f"padding={padding!r} is no padding of a transposed convolution: it must be numbers"
            )
        self._set_up(
            (in_channels, out_channels, groups),
            (kernel_size, stride, padding, output_padding, dilation),
            padding_mode,
            (bias, dtype, rng),
        )

    def forward(self, input: ArrayLike, output_size: Sequence[SupportsIndex] | None = None) -> Array:
        """Convolve ``(N, C_in, *spatial)`` or ``(C_in, *spatial)``, to an output of this size if it is given.

        Parameters
        ----------
        input : array_like
            ``(N, C_in, *spatial)`` or ``(C_in, *spatial)``.
        output_size : tuple of int, optional
            The output's spatial sizes, or its whole shape. It replaces `output_padding`.
        """
        extra = self.output_padding if output_size is None else self._extra(np.shape(input), output_size)
        return type(self)._function(
            input,
            self.weight.data,
            array_of(self.bias),
            window.even(self.stride),
            window.even(self.padding),
            window.even(extra),
            self.groups,
            window.even(self.dilation),
        )

    def _extra(self, shape: tuple[int, ...], output_size: object) -> tuple[int, ...]:
        """Return the output padding that leads to this size."""
        rank = self._rank
        if not isinstance(output_size, (tuple, list)) or len(output_size) not in (rank, len(shape)):
            raise ValueError(f"output_size={output_size!r} must have {rank} or {len(shape)} entries")
        wanted = [arguments.integer(size, "output_size", 1) for size in output_size[-rank:]]
        extra: list[int] = []
        sides = self._sides
        assert not isinstance(sides, str)
        for axis, size in enumerate(shape[-rank:]):
            span = (self.kernel_size[axis] - 1) * self.dilation[axis] + 1
            least = (size - 1) * self.stride[axis] + span - sides[2 * axis] - sides[2 * axis + 1]
            most = least + self.stride[axis] - 1
            if not least <= wanted[axis] <= most:
                raise ValueError(
                    f"output_size has {wanted[axis]} elements on spatial axis {axis}: it must be from "
                    f"{least} to {most}"
                )
            extra.append(wanted[axis] - least)
        return tuple(extra)


class ConvTranspose1d(_ConvTranspose):
    """Convolve signals transposed; as `ConvTranspose2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation
        As in `ConvTranspose2d`, with one spatial axis.
    padding_mode, dtype, rng : optional
        As in `ConvTranspose2d`.

    See Also
    --------
    fastconv.conv_transpose1d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ConvTranspose1d(2, 4, 4, stride=2, padding=1)(np.ones((1, 2, 10))).shape
    (1, 4, 20)
    """

    _rank = 1
    _function = functional.conv_transpose1d


class ConvTranspose2d(_ConvTranspose):
    """Convolve images transposed: spread every pixel over the output through the filter.

    ``out[n, o, y, x] = bias[o] + sum over c, i, j of input[n, c, v, u] * weight[c, o, i, j]``
    over all ``v*stride + i*dilation == y + padding`` and ``u*stride + j*dilation == x + padding``

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output; `groups` divides both.
    kernel_size : int or tuple of int
        Elements of the window, an axis.
    stride, padding, output_padding, groups : optional
        As in `fastconv.conv_transpose2d`.
    bias : bool, default True
        Whether a number is added to each output channel.
    dilation : optional
        As in `fastconv.conv_transpose2d`.
    padding_mode : {"zeros"}
        Nothing else is known.
    dtype, rng : optional
        As in `Conv2d`.

    Attributes
    ----------
    weight : Parameter
        ``(in_channels, out_channels/groups, K_h, K_w)``; at first uniform up to ``1 / sqrt(fan_in)`` to both
        sides of 0, where ``fan_in`` is ``out_channels/groups * K_h * K_w``, as in PyTorch.
    bias : Parameter or None
        ``(out_channels,)``; at first as the weight.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or channels are not divisible by `groups`.

    See Also
    --------
    fastconv.conv_transpose2d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> up = nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1)
    >>> up
    ConvTranspose2d(8, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))
    >>> x = np.ones((1, 8, 5, 5))
    >>> up(x).shape, up(x, output_size=(10, 10)).shape
    ((1, 4, 9, 9), (1, 4, 10, 10))
    """

    _rank = 2
    _function = functional.conv_transpose2d


class ConvTranspose3d(_ConvTranspose):
    """Convolve volumes transposed; as `ConvTranspose2d`.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, stride, padding, output_padding, groups, bias, dilation
        As in `ConvTranspose2d`, with three spatial axes.
    padding_mode, dtype, rng : optional
        As in `ConvTranspose2d`.

    See Also
    --------
    fastconv.conv_transpose3d : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.ConvTranspose3d(2, 4, 2, stride=2)(np.ones((1, 2, 4, 4, 4))).shape
    (1, 4, 8, 8, 8)
    """

    _rank = 3
    _function = functional.conv_transpose3d
