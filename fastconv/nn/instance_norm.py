"""Instance normalisation as modules: statistics of each channel of each sample."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike
from fastconv.nn.batch_norm import _TrackedNorm
from fastconv.nn.parameter import array_of


class _InstanceNorm(_TrackedNorm):
    """What the modules of all ranks do."""

    def __init__(
        self,
        num_features: SupportsIndex,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self._set_up(num_features, (eps, momentum), (affine, track_running_stats, bias), dtype)

    def forward(self, input: ArrayLike) -> Array:
        """Normalise ``(N, C, *spatial)`` or ``(C, *spatial)``."""
        self._check_axes(input)
        single = np.ndim(input) == self._axes[0]
        x = np.asanyarray(input)[None] if single else input
        output = functional.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            array_of(self.weight),
            array_of(self.bias),
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return output[0] if single else output


class InstanceNorm1d(_InstanceNorm):
    """Normalise each channel of each sequence; as `InstanceNorm2d`.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, bias, dtype
        As in `InstanceNorm2d`; the input is ``(N, C, L)`` or ``(C, L)``.

    See Also
    --------
    fastconv.instance_norm : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.InstanceNorm1d(2)([[1.0, 3.0], [10.0, 30.0]]).round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
    """

    _axes = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalise each channel of each image.

    ``out[n, c, y, x] = (input[n, c, y, x] - mean[n, c]) / sqrt(var[n, c] + eps) * weight[c] + bias[c]``

    Parameters
    ----------
    num_features : int
        Channels C of the input ``(N, C, H, W)`` or ``(C, H, W)``.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    momentum : float or None, default 0.1
        Share of a batch in the running statistics; None is 0.
    affine : bool, default False
        Whether there are scale and shift.
    track_running_stats : bool, default False
        Whether there are running statistics, which are then used in evaluation mode.
    bias : bool, default True
        Whether there is a shift beside the scale.
    dtype : {float32, float64}, default float32
        Type of parameters and statistics.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.instance_norm : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> norm = nn.InstanceNorm2d(1)
    >>> norm
    InstanceNorm2d(1, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    >>> norm([[[1.0, 3.0]]]).round(3)
    array([[[-1.,  1.]]])
    """

    _axes = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalise each channel of each volume; as `InstanceNorm2d`.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, bias, dtype
        As in `InstanceNorm2d`; the input is ``(N, C, D, H, W)`` or ``(C, D, H, W)``.

    See Also
    --------
    fastconv.instance_norm : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.InstanceNorm3d(2)(np.ones((1, 2, 3, 3, 3))).shape
    (1, 2, 3, 3, 3)
    """

    _axes = (4, 5)
