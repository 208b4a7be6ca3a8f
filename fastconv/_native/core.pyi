"""Types of the compiled module.

Every array argument is trusted: the functional layer has checked shapes,
dtypes and aliasing. Arrays are channels-first *views* of rank 3, 4 or 5,
``(N, C, *spatial)``, of native float32 or float64, aligned to their item,
with any strides; a channels-last array is passed as its transposed view.
Flat tuples of integers stand for structs:

``window``   ``(kernel, stride, padding, dilation)``; each a tuple with an entry
             an axis, padding with two: ``(before_0, after_0, before_1, ...)``.
``epilogue`` ``(bias, residual, activation, alpha, beta)``: a contiguous vector
             or None, an array of the output's shape and strides or None, one of the
             ACTIVATION codes and its two parameters.
``run``      ``(isa, threads)``: an index into ``ISA_NAMES`` and the most threads to use.
"""

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Epilogue = tuple[Array | None, Array | None, int, float, float]
Run = tuple[int, int]

ISA_NAMES: Final[tuple[str, ...]]  # ("generic", "avx2", "avx512"): what was compiled in, worst first
ALGORITHMS: Final[tuple[str, ...]]  # ("auto", "direct", "im2col", "depthwise"): a code is an index
ACTIVATIONS: Final[
    tuple[str, ...]
]  # ("none", "relu", "clip", "leaky_relu", "silu", "hardswish", "sigmoid", "tanh")

class Block:
    """Writable buffer of ``nbytes``, 64-byte aligned, taken from the cache and given back on deletion."""

    def __init__(self, nbytes: int) -> None: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

def isa_supported(isa: int) -> bool:
    """Whether this CPU and operating system run the instruction set."""

def default_threads() -> int:
    """Least of OpenMP's maximum, the CPU affinity and the cgroup quota."""

def set_cache_limit(nbytes: int) -> None:
    """Bound the idle memory that the block cache keeps; 0 switches it off."""

def cache_info() -> tuple[int, int]:
    """``(limit, idle)`` of the block cache in bytes."""

def conv(
    input: Array,
    weight: Array,
    out: Array,
    window: Window,
    groups: int,
    epilogue: Epilogue,
    algorithm: int,
    run: Run,
    /,
) -> None:
    """Convolve. The kernel entry of ``window`` is read off ``weight`` (C-contiguous) and ignored.

    Raises ValueError if the algorithm cannot do the shape, MemoryError, KeyboardInterrupt.
    """

def conv_plan(
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    items: tuple[int, bool],
    window: Window,
    groups: int,
    algorithm: int,
    run: Run,
    /,
) -> dict[str, Any]:
    """Return what `conv` would do: algorithm, reason, isa, tile, threads, workspace_bytes, flops.

    ``items``: bytes of one, and whether channels are last in both maps; shapes are channels first.
    """

def bench_blocked_conv(
    input: Array, weight: Array, out: Array, window: Window, run: Run, seconds: float, /
) -> float:
    """Return the least time of the direct kernel between blocked maps, filter packed; fill ``out``.

    One group, channels first, rows contiguous. Raises ValueError if register tiles do not do the shape.
    """

def max_pool(input: Array, out: Array, indices: Array | None, window: Window, run: Run, /) -> None:
    """Pool; ``indices`` is int64, same axis order as ``out``, any strides, flat within each input plane."""

def avg_pool(
    input: Array, out: Array, window: Window, count_include_pad: bool, divisor_override: int, run: Run, /
) -> None:
    """Pool; a ``divisor_override`` of 0 means none."""

def adaptive_max_pool(input: Array, out: Array, indices: Array | None, run: Run, /) -> None:
    """Pool with the windows that follow from the sizes; ``indices`` as in `max_pool`."""

def adaptive_avg_pool(input: Array, out: Array, run: Run, /) -> None:
    """Pool with the windows that follow from the sizes."""

def batch_norm_statistics(input: Array, mean: Array, var: Array, run: Run, /) -> None:
    """Fill float64 vectors of length C with the mean and the biased variance over all other axes."""

def batch_norm(
    input: Array,
    out: Array,
    parameters: tuple[Array, Array, Array | None, Array | None, float],
    epilogue: Epilogue,
    run: Run,
    /,
) -> None:
    """Normalise with ``parameters = (mean, var, weight, bias, eps)``, float64 vectors of length C.

    The epilogue's own bias is None.
    """

def activation(input: Array, out: Array, epilogue: Epilogue, run: Run, /) -> None:
    """Apply an activation elementwise; any rank, both C-contiguous."""

def measure_peak(isa: int, threads: int, seconds: float, /) -> tuple[float, float]:
    """Return (float32 FMA peak in FLOP/s, memory copy bandwidth in B/s: bytes read plus bytes written)."""
