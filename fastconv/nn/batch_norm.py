"""Batch norm as modules, and what instance norm has too: running statistics beside scale and shift."""

from __future__ import annotations

from typing import ClassVar, SupportsIndex

import numpy as np

from fastconv import functional
from fastconv.functional.checks import arguments, running
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike
from fastconv.nn import init
from fastconv.nn.norm import _Scaled
from fastconv.nn.parameter import array_of


class _TrackedNorm(_Scaled):
    """Batch and instance norm: running statistics beside scale and shift."""

    # Files from before PyTorch 0.4.1 have none.
    _may_be_missing = frozenset({"num_batches_tracked"})
    _axes: ClassVar[tuple[int, ...]]
    running_mean: Array | None
    running_var: Array | None
    num_batches_tracked: Array | None

    def _set_up(
        self,
        num_features: object,
        numbers: tuple[float, float | None],
        flags: tuple[object, object, object],
        dtype: DTypeLike,
    ) -> None:
        eps, momentum = numbers
        affine, track_running_stats, bias = flags
        self.num_features = arguments.integer(num_features, "num_features", 1)
        running.momentum(0.0 if momentum is None else momentum)
        arguments.positive(eps, "eps")
        # As they were given, for the representation.
        self.eps, self.momentum = eps, momentum
        self.affine = arguments.flag(affine, "affine")
        self.track_running_stats = arguments.flag(track_running_stats, "track_running_stats")
        self._set_scale((self.num_features,), self.affine, bias, dtype)
        kind = np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}")
        tracked = self.track_running_stats
        self.register_buffer("running_mean", np.zeros(self.num_features, kind) if tracked else None)
        self.register_buffer("running_var", np.ones(self.num_features, kind) if tracked else None)
        self.register_buffer("num_batches_tracked", np.zeros((), np.int64) if tracked else None)

    def reset_running_stats(self) -> None:
        """Set the running mean to 0, the running variance to 1, and the number of batches to 0."""
        for name, value in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            if (buffer := self._buffers[name]) is not None:
                buffer[...] = value

    def reset_parameters(self, rng: init.Seed = None) -> None:
        """Set statistics and parameters to what they were at first; nothing is drawn from `rng`."""
        self.reset_running_stats()
        super().reset_parameters(rng)

    def _check_axes(self, input: ArrayLike) -> None:
        axes = np.ndim(input)
        if axes not in self._axes:
            rule = " or ".join(str(number) for number in self._axes)
            raise ValueError(f"input has {axes} axes: {type(self).__name__} takes {rule}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_TrackedNorm):
    def __init__(
        self,
        num_features: SupportsIndex,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self._set_up(num_features, (eps, momentum), (affine, track_running_stats, bias), dtype)

    def forward(self, input: ArrayLike) -> Array:
        """Normalise each channel, by the batch when training or without running statistics."""
        self._check_axes(input)
        mean, var, count = self.running_mean, self.running_var, self.num_batches_tracked
        training = self.training or (mean is None and var is None)
        if self.training and not self.track_running_stats:
            mean = var = count = None
        share = self.momentum
        if share is None:
            # The average of all batches so far, this one included.
            share = 0.0 if count is None else 1.0 / (int(count) + 1)
        output = functional.batch_norm(
            input, mean, var, array_of(self.weight), array_of(self.bias), training, share, self.eps
        )
        if self.training and count is not None:
            count += 1
        return output


class BatchNorm1d(_BatchNorm):
    """Normalise each channel of signals or of rows of features; as `BatchNorm2d`.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, bias, dtype
        As in `BatchNorm2d`; the input is ``(N, C)`` or ``(N, C, L)``.

    See Also
    --------
    fastconv.batch_norm : The function.

    Examples
    --------
    >>> from fastconv import nn
    >>> nn.BatchNorm1d(2)([[1.0, 10.0], [3.0, 30.0]]).round(3)
    array([[-1., -1.],
           [ 1.,  1.]])
    """

    _axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel of images.

    ``out[n, c, y, x] = (input[n, c, y, x] - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]``

    In training mode mean and biased variance are those of the batch, and the running ones follow:
    ``running = (1 - momentum) * running + momentum * batch``, with the unbiased variance. In evaluation mode
    the running ones are used, or those of the batch if there are none.

    Parameters
    ----------
    num_features : int
        Channels C of the input ``(N, C, H, W)``.
    eps : float, default 1e-5
        Added to the variance; finite and above 0.
    momentum : float or None, default 0.1
        Share of a batch in the running statistics; None makes them the average of all batches.
    affine : bool, default True
        Whether there are scale and shift.
    track_running_stats : bool, default True
        Whether there are running statistics.
    bias : bool, default True
        Whether there is a shift beside the scale.
    dtype : {float32, float64}, default float32
        Type of parameters and statistics.

    Attributes
    ----------
    weight, bias : Parameter or None
        ``(C,)``: scale and shift, 1 and 0 at first.
    running_mean, running_var : numpy.ndarray or None
        ``(C,)``: 0 and 1 at first.
    num_batches_tracked : numpy.ndarray or None
        Number of batches in the running statistics, int64 without axes.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    See Also
    --------
    fastconv.batch_norm : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> norm = nn.BatchNorm2d(2)
    >>> norm
    BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    >>> y = norm(np.arange(16.0).reshape(2, 2, 2, 2))
    >>> norm.running_mean
    array([0.55, 0.95], dtype=float32)
    >>> norm.eval()(np.zeros((1, 2, 1, 1))).shape
    (1, 2, 1, 1)
    """

    _axes = (4,)


class BatchNorm3d(_BatchNorm):
    """Normalise each channel of volumes; as `BatchNorm2d`.

    Parameters
    ----------
    num_features, eps, momentum, affine, track_running_stats, bias, dtype
        As in `BatchNorm2d`; the input is ``(N, C, D, H, W)``.

    See Also
    --------
    fastconv.batch_norm : The function.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> nn.BatchNorm3d(2)(np.ones((1, 2, 3, 3, 3))).shape
    (1, 2, 3, 3, 3)
    """

    _axes = (5,)
