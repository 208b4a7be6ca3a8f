"""Normalisations by statistics of a sample as modules, and what all normalisations have: scale and shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks import arguments
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike
from fastconv.nn import init
from fastconv.nn.module import Module
from fastconv.nn.parameter import Parameter, array_of


class _Scaled(Module):
    """Scale and shift of each channel or item, 1 and 0 at first."""

    weight: Parameter | None
    bias: Parameter | None

    def _set_scale(self, shape: tuple[int, ...], affine: bool, bias: object, dtype: DTypeLike) -> None:
        with_bias = arguments.flag(bias, "bias") and affine
        kind = np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}")
        self.register_parameter("weight", Parameter(np.ones(shape, kind)) if affine else None)
        self.register_parameter("bias", Parameter(np.zeros(shape, kind)) if with_bias else None)

    def reset_parameters(self, rng: init.Seed = None) -> None:
        """Set the scale to 1 and the shift to 0; nothing is drawn from `rng`."""
        if self.weight is not None:
            init.constant_(self.weight, 1)
        if self.bias is not None:
            init.constant_(self.bias, 0)


class GroupNorm(_Scaled):
    """Normalise each group of channels of each sample.

    ``out[n, c, ...] = (input[n, c, ...] - mean[n, g]) / sqrt(var[n, g] + eps) * weight[c] + bias[c]``
    with mean and biased variance of the group ``g`` that ``c`` belongs to.

    Parameters
    ----------
    num_groups, num_channels : int
        Groups and channels; the groups divide the channels.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    affine : bool, default True
        Whether there are scale and shift.
    bias : bool, default True
        Whether there is a shift beside the scale.
    dtype : {float32, float64}, default float32
        Type of the parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.group_norm : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> norm = nn.GroupNorm(2, 4)
    >>> norm
    GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)
    >>> norm([[1.0, 3.0, 10.0, 30.0]]).round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(
        self,
        num_groups: SupportsIndex,
        num_channels: SupportsIndex,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.num_groups = arguments.integer(num_groups, "num_groups", 1)
        self.num_channels = arguments.integer(num_channels, "num_channels", 1)
        if self.num_channels % self.num_groups:
            raise ValueError(f"num_channels={num_channels} must be divisible by num_groups={num_groups}")
        arguments.positive(eps, "eps")
        self.eps = eps
        self.affine = arguments.flag(affine, "affine")
        self._set_scale((self.num_channels,), self.affine, bias, dtype)

    def forward(self, input: ArrayLike) -> Array:
        """Normalise ``(N, C)`` or ``(N, C, *spatial)``."""
        return functional.group_norm(
            input, self.num_groups, array_of(self.weight), array_of(self.bias), self.eps
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class LayerNorm(_Scaled):
    """Normalise over the last axes.

    ``out[i, j] = (input[i, j] - mean[i]) / sqrt(var[i] + eps) * weight[j] + bias[j]``, where ``j`` runs over
    the last axes, of `normalized_shape`, ``i`` over those before, and the variance is the biased one.

    Parameters
    ----------
    normalized_shape : int or tuple of int
        Sizes of the last axes; a number is one axis.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    elementwise_affine : bool, default True
        Whether there are scale and shift.
    bias : bool, default True
        Whether there is a shift beside the scale.
    dtype : {float32, float64}, default float32
        Type of the parameters.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.layer_norm : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> norm = nn.LayerNorm(2)
    >>> norm
    LayerNorm((2,), eps=1e-05, elementwise_affine=True, bias=True)
    >>> norm([[1.0, 3.0], [10.0, 30.0]]).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    def __init__(
        self,
        normalized_shape: SupportsIndex | Sequence[SupportsIndex],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        if not isinstance(normalized_shape, (tuple, list)):
            normalized_shape = (arguments.integer(normalized_shape, "normalized_shape", 0),)
        self.normalized_shape = arguments.shape(normalized_shape, "normalized_shape")
        if not self.normalized_shape:
            raise ValueError("normalized_shape=() must have an entry at least")
        arguments.positive(eps, "eps")
        self.eps = eps
        self.elementwise_affine = arguments.flag(elementwise_affine, "elementwise_affine")
        self._set_scale(self.normalized_shape, self.elementwise_affine, bias, dtype)

    def forward(self, input: ArrayLike) -> Array:
        """Normalise ``(*, *normalized_shape)``."""
        return functional.layer_norm(
            input, self.normalized_shape, array_of(self.weight), array_of(self.bias), self.eps
        )

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )
