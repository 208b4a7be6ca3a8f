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
``run``      ``(isa, threads, winograd)``: an index into ``ISA_NAMES``, the most threads to use, and whether
             ``"auto"`` may choose Winograd's algorithm.
"""

from typing import Any, Final, Self

import numpy as np

Array = np.ndarray[Any, Any]
Window = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]
Epilogue = tuple[Array | None, Array | None, int, float, float]
Run = tuple[int, int, bool]

ISA_NAMES: Final[tuple[str, ...]]  # ("generic", "avx2", "avx512"): what was compiled in, worst first
ALGORITHMS: Final[tuple[str, ...]]  # ("auto", "direct", "im2col", ...): an index
MOST_TILE_PHASES: Final[int]  # of the stride of a transposed convolution by Winograd's algorithm
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

def linear(input: Array, weight: Array, out: Array, epilogue: Epilogue, run: Run, /) -> None:
    """Multiply rows ``(N, I)``, each contiguous, by ``(O, I)`` into ``(N, O)``, both C-contiguous."""

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

def conv_transpose(
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
    """Convolve transposed: ``weight`` is ``(C_in, C_out/groups, *kernel)``; all else as `conv`."""

def conv_plan(
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    items: tuple[int, bool],
    window: Window,
    groups: int,
    algorithm: int,
    transposed: bool,
    run: Run,
    prepacked: int = 0,
    /,
) -> dict[str, Any]:
    """Return what `conv` or `conv_transpose` would do: algorithm, reason, isa, tile, threads, workspace.

    ``shapes``: of input, weight and output, channels first. ``items``: bytes of one, and whether channels are
    last in both maps. ``prepacked``: how the filter comes, as of `FILTER_GIVEN`.
    """

def pack_conv(
    weight: Array,
    packed: Array,
    shapes: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    window: Window,
    groups: int,
    algorithm: int,
    run: Run,
    transposed: bool = False,
    /,
) -> None:
    """Fill ``packed``, aligned, of the plan's ``filter_bytes`` bytes, for `conv_packed` by a named algorithm.

    The filter of a transposed convolution is packed for the steps of a `Program`. Raises ValueError where the
    weight is taken as it is.
    """

def conv_packed(
    input: Array,
    packed: Array,
    weight_shape: tuple[int, ...],
    out: Array,
    window: Window,
    groups: int,
    epilogue: Epilogue,
    algorithm: int,
    run: Run,
    /,
) -> None:
    """Convolve as `conv` by the algorithm and on the instruction set that the filter was packed for."""

def bench_blocked_conv(
    input: Array,
    weight: Array,
    out: Array,
    window: Window,
    epilogue: Epilogue,
    algorithm: int,
    run: Run,
    seconds: float,
    /,
) -> float:
    """Return the least time of the kernel between blocked maps, filter packed; fill ``out``.

    One group, channels first, rows contiguous. Raises ValueError unless register tiles do the shape, directly
    or on Winograd's transformed input.
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

def widen(vectors: tuple[Array | None, ...], wide: list[Array | None], /) -> bool:
    """Copy each vector but None to the contiguous float64 one in its place, without a warning.

    False, and any contents, unless all are contiguous, aligned, of native float32 or float64 and as long as
    their copies.
    """

def least(values: Array, /) -> float:
    """Return the least of a contiguous float64 vector, NaN left out; infinity for none."""

def update_average(average: Array, x: Array, share: float, factor: float, /) -> None:
    """Set ``average = (1 - share) * average + share * factor * x``; contiguous, `x` float64."""

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

def batch_norm_training(
    input: Array,
    out: Array,
    parameters: tuple[Array | None, Array | None, float, Array, Array],
    epilogue: Epilogue,
    run: Run,
    /,
) -> None:
    """Normalise by mean and biased variance of each channel over all other axes.

    ``parameters = (weight, bias, eps, mean, var)``, float64 vectors of length C, the last two to be filled.
    The epilogue's own bias is None.
    """

def group_norm(
    input: Array,
    out: Array,
    sizes: tuple[int, int, int, int, int, bool],
    parameters: tuple[Array | None, Array | None, float, Array | None, Array | None],
    epilogue: Epilogue,
    run: Run,
    /,
) -> None:
    """Normalise each group of each sample; ``input`` and ``out`` are C-contiguous.

    ``sizes = (batch, channels, groups, pixels, item_bytes, channels_last)``. ``parameters = (weight, bias,
    eps, mean, var)``: float64 vectors of length C, or None, and batch * groups to be filled, or None.
    The epilogue's own bias is None.
    """

def layer_norm(
    input: Array,
    out: Array,
    sizes: tuple[int, int, int],
    parameters: tuple[Array | None, Array | None, float],
    run: Run,
    /,
) -> None:
    """Normalise each row; all C-contiguous and of one dtype.

    ``sizes = (rows, items, item_bytes)``, ``parameters = (weight, bias, eps)``, an entry an item or None.
    """

def softmax(input: Array, out: Array, sizes: tuple[int, int, int, int], logarithm: bool, run: Run, /) -> None:
    """Fill ``out`` with the softmax, or its logarithm, along the middle axis; both are C-contiguous.

    ``sizes = (outer, items, inner, item_bytes)``.
    """

def activation(input: Array, out: Array, epilogue: Epilogue, run: Run, /) -> None:
    """Apply an activation elementwise; any rank, both C-contiguous."""

PAD_MODES: Final[tuple[str, ...]]  # ("constant", "reflect", "replicate", "circular"): a code is an index

def copy(input: Array, out: Array, run: Run, /) -> None:
    """Copy items of 4 or 8 bytes; any rank, ``out`` C-contiguous, of as many bytes and not empty."""

def pad(input: Array, out: Array, before: tuple[int, ...], mode: int, value: float, run: Run, /) -> None:
    """Pad; any rank, ``out`` C-contiguous.

    ``before``: what stands in front of the input on each axis, negative where it is cropped.
    """

def unfold(input: Array, out: Array, window: Window, blocks: tuple[int, int], run: Run, /) -> None:
    """Fill the C-contiguous ``(N, C*K_h*K_w, L)`` from images; ``blocks``: ``(H_out, W_out)``."""

def fold(input: Array, out: Array, window: Window, blocks: tuple[int, int], run: Run, /) -> None:
    """Sum ``(N, C*K_h*K_w, L)`` of any strides to C-contiguous images."""

def worst_index(indices: Array, run: Run, /) -> int:
    """Return the least of C-contiguous int64 ``indices`` if that is negative, or the largest."""

def max_unpool(input: Array, indices: Array, out: Array, run: Run, /) -> None:
    """Scatter; ``indices`` is int64, ``out`` C-contiguous or the channels-first view of such an array."""

def measure_peak(
    isa: int, threads: int, seconds: float, reads: int = 1, writes: int = 1, /
) -> tuple[float, float]:
    """Return float32 FMA peak in FLOP/s, and B/s read plus written, ``reads`` to ``writes``, past caches."""

STEPS: Final[tuple[str, ...]]  # kinds of steps of a `Program`: an index
IN_ARENA: Final[int]  # places of values
IN_INPUT: Final[int]
IN_OUTPUT: Final[int]
IN_CHAIN: Final[int]
NO_VALUE: Final[int]  # instead of the number of one
FILTER_GIVEN: Final[int]  # how a filter comes: as it is, packed in small and in large networks, as its taps
FILTER_PACKED: Final[int]
FILTER_FETCHED: Final[int]
FILTER_TAPS: Final[int]
BLOCK_BYTES: Final[int]  # of a channel block's pixel
MOST_TAPS: Final[int]  # of a depthwise step, and a maximum in a chain
MOST_LINKS: Final[int]  # steps of a chain
AFFINE_VECTORS: Final[int]  # entries a channel of what `pack_affine` fills

class Program:
    """Steps between maps, walked by one call; what the steps point into is kept.

    A value is ``(place, blocked, offset, channels, sizes, before, after, first, of, lane)``: in the arena,
    the input or the output; halo before and after each of three axes; the first of its blocks (channels, if
    plain) in a map that has so many, and its first lane there. A step is ``(kind, input, residual, output,
    weight, bias, activation, window, details, links)``, maps by their numbers or NO_VALUE. Weights and
    biases are aligned and packed as src/program.h says.
    """

    def __new__(
        cls, values: list[tuple[Any, ...]], steps: list[tuple[Any, ...]], item_bytes: int, arena_bytes: int, /
    ) -> Self: ...
    def run(self, input: Array, out: Array, batch: int, run: Run, seconds: Array | None = None, /) -> None:
        """Compute ``out`` from C-contiguous ``input``; ``seconds``: float64, one a step, to be filled."""

def value_bytes(value: tuple[Any, ...], batch: int, item_bytes: int, /) -> int:
    """Bytes of the whole map of a value."""

def pack_affine(normalisation: tuple[Any, ...], channels: int, item_bytes: int, packed: Array, /) -> None:
    """Fill ``packed``, aligned, with center, scale and shift of each channel block.

    ``normalisation``: mean, variance, weight and bias as float64, the last two or None, and eps.
    """

def pack_depthwise(weight: Array, packed: Array, /) -> None:
    """Fill ``packed``, aligned, with the taps of each block of a ``(C_out, C_in/groups, *kernel)`` weight."""
