"""Dropout: noise in training, nothing in evaluation."""

from __future__ import annotations

import numpy as np

from fastconv.functional.checks import arguments, arrays
from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.nn import init
from fastconv.nn.module import Module


class Dropout(Module):
    """Set elements to zero at random, in training mode.

    ``out = input * kept / (1 - p)``, where ``kept`` is 0 with probability `p` and else 1, drawn anew for each
    element and call; in evaluation mode ``out = input``.

    Parameters
    ----------
    p : float, default 0.5
        Probability of zero, from 0 to 1.
    inplace : bool, default False
        Accepted and shown as in PyTorch; the input is never changed.
    rng : numpy.random.Generator or int, optional
        Where the draws come from; different every time, if not given.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range.

    References
    ----------
    .. [1] N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
       JMLR 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> dropout = nn.Dropout(0.5, rng=0)
    >>> dropout
    Dropout(p=0.5, inplace=False)
    >>> set(dropout(np.ones(100)).tolist())
    {0.0, 2.0}
    >>> dropout.eval()([1.0, 2.0])
    array([1., 2.])
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, rng: init.Seed = None) -> None:
        super().__init__()
        if not 0.0 <= arguments.real(p, "p") <= 1.0:
            raise ValueError(f"p={p} is out of range: it must be from 0 to 1")
        self.p = p
        self.inplace = arguments.flag(inplace, "inplace")
        self.rng = init.generator(rng)

    def forward(self, input: ArrayLike) -> Array:
        """Drop elements of an array of any shape."""
        x = arrays.as_array(input, "input")
        if not self.training or self.p == 0:
            return x
        dtype = arrays.promoted(x)
        kept = self.rng.random(x.shape, np.float32) >= self.p
        return np.multiply(x, kept.astype(dtype) * (1.0 / (1.0 - self.p) if self.p < 1 else 0.0), dtype=dtype)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"
