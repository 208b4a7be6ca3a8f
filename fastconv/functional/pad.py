"""Padding: an array with more round it, or less.

out[..., i] = input[..., source(i - before)]        for each padded axis
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex

from fastconv._native import core as native
from fastconv.functional.checks import arrays, padding
from fastconv.functional.checks.annotations import Array, ArrayLike
from fastconv.runtime import native_run


def pad(
    input: ArrayLike,
    pad: Sequence[SupportsIndex],
    mode: str = "constant",
    value: float | None = 0.0,
    *,
    out: Array | None = None,
) -> Array:
    """Pad, or crop, the last axes.

    With ``j = i - before`` on each of these axes, of `n` elements, ``out[..., i]`` is ``input[..., j]``
    inside, and outside

    * ``"constant"``: `value`
    * ``"reflect"``: ``input[..., -j]`` before, ``input[..., 2*(n - 1) - j]`` after: the ends are not repeated
    * ``"replicate"``: ``input[..., 0]`` before, ``input[..., n - 1]`` after
    * ``"circular"``: ``input[..., j mod n]``, with `n` what a crop at the other end leaves

    Parameters
    ----------
    input : array_like
        Any number of axes; for the modes other than constant ``(N, C, *spatial)`` or ``(C, *spatial)`` with
        one to three spatial axes. With reflect and replicate only the batch may be empty.
    pad : tuple of int
        ``(before, after)`` of the last axis, then of the one before it, and so on; negative ones crop. With
        constant at most every axis, otherwise exactly the spatial axes.
    mode : {"constant", "reflect", "replicate", "circular"}, default "constant"
        What stands outside.
    value : float or None, default 0.0
        With constant, any number that the result's dtype holds, NaN and infinities included; None is 0. With
        other modes 0 or None.
    out : numpy.ndarray, optional
        C-contiguous array of the output's shape and dtype, apart from the input, to be written.

    Returns
    -------
    numpy.ndarray
        Each axis of ``before + n + after`` elements, of dtype ``numpy.result_type(input, numpy.float32)``.

    Raises
    ------
    TypeError
        If an argument is of the wrong type, or the array is masked, complex or not numeric.
    ValueError
        If `pad` has an odd number of entries or more than the axes of the mode; crops more than there is;
        reflects `n` or more; wraps more than once; or leaves nothing (reflect, replicate). If `value` is
        given with another mode than constant or does not fit the dtype, or `out` cannot be written.
    MemoryError
        If the output does not fit into memory.

    Examples
    --------
    >>> import fastconv as fc
    >>> fc.pad([[1.0, 2.0, 3.0]], (2, 1))
    array([[0., 0., 1., 2., 3., 0.]])
    >>> fc.pad([[1.0, 2.0, 3.0]], (2, -1), "reflect")
    array([[3., 2., 1., 2.]])
    >>> fc.pad([[1.0, 2.0, 3.0]], (1, 1), "circular")
    array([[3., 1., 2., 3., 1.]])
    >>> fc.pad([[1.0, 2.0]], (0, 0, 1, 0), value=7.0)
    array([[7., 7.],
           [1., 2.]])
    """
    x = arrays.as_array(input, "input")
    shape, before, code = padding.padded(x.shape, pad, mode)
    dtype = arrays.promoted(x)
    fill = padding.fill(value, mode, dtype)
    result, plain = arrays.output(out, shape, dtype, (x,))
    if result.size != 0:
        native.pad(arrays.in_rows(x, dtype), plain, before, code, fill, native_run())
    return result
