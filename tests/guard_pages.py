"""Run an operation on arrays that end, or start, flush at a page which faults on any access.

Run by test_memory.py in an interpreter of its own, ``python guard_pages.py operation isa dtype``: it prints
each case before running it, so that the last line of a crashed run names the culprit. Bytes between an
array and the far guard page carry a pattern, so stray writes on that side are seen as well.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from calls import (
    adaptive_avg_pool,
    adaptive_max_pool,
    avg_pool,
    channels_last,
    convolve,
    convolve_transposed,
    every_algorithm,
    max_pool,
)
from cases import (
    ADAPTIVE_POOL_CASES,
    CONV_CASES,
    PAD_CASES,
    POOL_CASES,
    TRANSPOSED_CASES,
    UNFOLD_CASES,
    ConvCase,
    random_array,
)

import fastconv as fc
from fastconv._native import core
from fastconv.runtime import native_run

Array = np.ndarray[Any, Any]

PATTERN = 0xA5
NO_ACCESS = 0


class GuardedMemory:
    """Pages of ``capacity`` bytes between two inaccessible ones."""

    def __init__(self, capacity: int) -> None:
        self.capacity = -(-capacity // mmap.PAGESIZE) * mmap.PAGESIZE
        self.pages = mmap.mmap(-1, self.capacity + 2 * mmap.PAGESIZE)
        self.used = slice(0, 0)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        libc = ctypes.CDLL(None, use_errno=True)
        for guard in (address, address + mmap.PAGESIZE + self.capacity):
            if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(mmap.PAGESIZE), NO_ACCESS) != 0:
                raise OSError(ctypes.get_errno(), "mprotect")

    def bytes(self) -> Array:
        """Everything between the guards."""
        return np.frombuffer(self.pages, np.uint8, self.capacity, mmap.PAGESIZE)

    def place(self, array: Array, *, at_end: bool) -> Array:
        """Copy an array so that its last, or first, byte touches a guard."""
        offset = self.capacity - array.nbytes if at_end else 0
        self.used = slice(offset, offset + array.nbytes)
        self.bytes()[:] = PATTERN
        placed = np.frombuffer(self.pages, array.dtype, array.size, mmap.PAGESIZE + offset).reshape(
            array.shape
        )
        placed[...] = array
        return placed

    def surroundings_intact(self) -> bool:
        """Whether nothing beside the array was written."""
        everything = self.bytes()
        return bool(
            (everything[: self.used.start] == PATTERN).all()
            and (everything[self.used.stop :] == PATTERN).all()
        )


LARGEST = 1 << 18
MEMORY = [GuardedMemory(LARGEST) for _ in range(6)]


def check(
    name: str,
    call: Callable[..., Any],
    arrays: list[Array],
    out: Array,
    memories: list[GuardedMemory] = MEMORY,
) -> None:
    """Call with all arrays at one end, then the other, and with the output in one of both kinds of place."""
    print(name, flush=True)
    expected = call(*arrays).tobytes()
    for at_end in (True, False):
        placed = [memory.place(a, at_end=at_end) for memory, a in zip(memories, arrays, strict=False)]
        target = memories[-1].place(np.full_like(out, np.nan), at_end=at_end)
        result = call(*placed, out=target)
        if result.tobytes() != expected:
            raise AssertionError("other bits on guarded memory")
        for memory, array in zip(memories, arrays, strict=False):
            if not memory.surroundings_intact() or memory.bytes()[memory.used].tobytes() != array.tobytes():
                raise AssertionError("wrote to an input or beside it")
        if not memories[-1].surroundings_intact():
            raise AssertionError("wrote beside the output")


def fits(*shapes: tuple[int, ...]) -> bool:
    """Whether float64 arrays of these shapes fit the guarded memory."""
    return all(int(np.prod(shape)) * 8 <= LARGEST for shape in shapes)


def guard_convolution(dtype: Any) -> None:
    """All cases by all algorithms, with bias and residual, in both layouts."""
    for case in CONV_CASES:
        if not fits(case.input, case.weight, case.output):
            continue
        x, w, b = case.arrays(dtype)
        residual = random_array(case.name, case.output, dtype)
        for algorithm in every_algorithm(case):
            for layout in ("NCHW", "NHWC"):
                last = layout == "NHWC"
                arrays = [channels_last(x), w, b, channels_last(residual)] if last else [x, w, b, residual]
                call = bind(convolve_placed, case=case, algorithm=algorithm, layout=layout)
                check(f"{case} {algorithm} {layout}", call, arrays, arrays[3])
    for pixels in range(1, 110):
        arrays = [random_array("x", (2, 5, pixels), dtype), random_array("w", (23, 5, 1), dtype)]
        arrays += [random_array("b", (23,), dtype), random_array("r", (2, 23, pixels), dtype)]
        check(
            f"1x1 of {pixels}", lambda x, w, b, r, **o: fc.conv1d(x, w, b, residual=r, **o), arrays, arrays[3]
        )


def guard_transposed(dtype: Any) -> None:
    """All cases by all algorithms, with bias, in both layouts."""
    for case in TRANSPOSED_CASES:
        arrays = list(case.arrays(dtype))
        if not fits(case.input, case.weight):
            continue
        for algorithm in every_algorithm(case):
            for layout, x in both_layouts(arrays[0]):
                call = bind(functools.partial(convolve_transposed, case), algorithm=algorithm, layout=layout)
                y = call(x, *arrays[1:])
                if fits(y.shape):
                    check(f"{case} {algorithm} {layout}", call, [x, *arrays[1:]], y)


def convolve_placed(*arrays: Array, case: ConvCase, **options: Any) -> Array:
    """Convolve input, weight, bias and residual."""
    return convolve(case, *arrays[:3], residual=arrays[3], **options)


def bind(call: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Fix options of a call made in a loop."""
    return lambda *arrays, **more: call(*arrays, **options, **more)


def both_layouts(x: Array) -> Iterator[tuple[str, Array]]:
    """Yield the array channels first and channels last."""
    yield "NCHW", x
    yield "NHWC", channels_last(x)


def guard_pooling(dtype: Any) -> None:
    """Both poolings and the indices."""
    for case in POOL_CASES:
        if not fits(case.input):
            continue
        for layout, x in both_layouts(random_array(case.name, case.input, dtype)):
            for pool in (max_pool, avg_pool) if case.dilation == 1 else (max_pool,):
                call = bind(functools.partial(pool, case), layout=layout)
                check(f"{case} {pool.__name__} {layout}", call, [x], call(x))
            print(f"{case} indices {layout}", flush=True)
            expected = max_pool(case, x, return_indices=True, layout=layout)
            for at_end in (True, False):
                placed = MEMORY[0].place(x, at_end=at_end)
                for result, wanted in zip(
                    max_pool(case, placed, return_indices=True, layout=layout), expected, strict=True
                ):
                    np.testing.assert_array_equal(result, wanted)


def guard_adaptive_pooling(dtype: Any) -> None:
    """Both adaptive poolings, and the indices."""
    for case in ADAPTIVE_POOL_CASES:
        if not fits(case.input):
            continue
        for layout, x in both_layouts(random_array(case.name, case.input, dtype)):
            for pool in (adaptive_max_pool, adaptive_avg_pool):
                call = bind(functools.partial(pool, case), layout=layout)
                check(f"{case} {pool.__name__} {layout}", call, [x], call(x))
            print(f"{case} indices {layout}", flush=True)
            expected = adaptive_max_pool(case, x, return_indices=True, layout=layout)
            for at_end in (True, False):
                placed = MEMORY[0].place(x, at_end=at_end)
                results = adaptive_max_pool(case, placed, return_indices=True, layout=layout)
                np.testing.assert_array_equal(results, expected)


def guard_batch_norm(dtype: Any) -> None:
    """Inference with weight, bias and residual, and training, whose running averages are written."""
    for shape in [*((2, 3, 2, w) for w in range(1, 41)), *((2, c, 3) for c in range(1, 34)), (1, 5, 2, 3, 7)]:
        channels = shape[1]
        vectors = [1 + abs(random_array(f"vector {i}", (channels,), dtype)) for i in range(4)]
        for layout, x in both_layouts(random_array("x", shape, dtype)):
            call = bind(fc.batch_norm, layout=layout)
            check(f"{shape} inference {layout}", call, [x, *vectors], x)
            print(f"{shape} training {layout}", flush=True)
            for at_end in (True, False):
                placed = [m.place(a, at_end=at_end) for m, a in zip(MEMORY, [x, *vectors], strict=False)]
                call(*placed, training=True)
                if not all(memory.surroundings_intact() for memory in MEMORY[:5]):
                    raise AssertionError("wrote beside an array")


def guard_group_norm(dtype: Any) -> None:
    """Every tail of rows and of channels, in both layouts, with residual and activation."""
    shapes = [*((2, 6, 2, w) for w in range(1, 36)), *((2, 2 * c, 3) for c in range(1, 18)), (3, 10)]
    for shape in shapes:
        weight, bias = (random_array(f"vector {i}", shape[1:2], dtype) for i in range(2))
        residual = random_array("residual", shape, dtype)
        for layout, x in both_layouts(random_array("x", shape, dtype)):
            added = residual if layout == "NCHW" else channels_last(residual)
            call = bind(group_norm_placed, layout=layout, activation="silu")
            check(f"group {shape} {layout}", call, [x, weight, bias, added], x)
            if len(shape) > 2:
                check(f"instance {shape} {layout}", bind(fc.instance_norm, layout=layout), [x], x)


def group_norm_placed(x: Array, weight: Array, bias: Array, residual: Array, **options: Any) -> Array:
    """Normalise two groups."""
    return fc.group_norm(x, 2, weight, bias, residual=residual, **options)


def guard_layer_norm(dtype: Any) -> None:
    """Every tail, rows of one piece and of more."""
    for rows, items in [*((3, i) for i in range(1, 70)), (2, 1000)]:
        arrays = [random_array(f"{i}", (items,), dtype) for i in range(2)]
        x = random_array("x", (rows, items), dtype)
        call = functools.partial(layer_norm_placed, (items,))
        check(f"layer {rows}x{items}", call, [x, *arrays], x)
        check(f"plain layer {rows}x{items}", call, [x], x)
    if dtype == np.float32:  # a row of more than one piece, as large as the memory
        long = random_array("x", (LARGEST // 4 - 3,), dtype)
        check("long layer", functools.partial(layer_norm_placed, long.shape), [long], long)


def layer_norm_placed(shape: tuple[int, ...], x: Array, *arrays: Any, **options: Any) -> Array:
    """Put the shape first."""
    return fc.layer_norm(x, shape, *arrays, **options)


def guard_softmax(dtype: Any) -> None:
    """Rows and columns with every tail."""
    for size in range(1, 70):
        for shape, axis in (((3, size), 1), ((2, 5, size), 1), ((2, size, 3), 1)):
            x = random_array("x", shape, dtype)
            for function in (fc.softmax, fc.log_softmax):
                check(f"{function.__name__} {shape}", bind(function, axis=axis), [x], x)


def guard_linear(dtype: Any) -> None:
    """Linear layers with every tail of inputs and outputs, and the activations."""
    for inputs, outputs, rows in [
        *((i, 5, 2) for i in range(1, 34)),
        *((6, o, 3) for o in range(1, 34)),
        *((i, 11, 4) for i in range(64, 100)),
        *((130, o, 2) for o in range(1, 20)),
        *((65, 9, r) for r in range(1, 30)),
        (4, 7, 29),
    ]:
        arrays = [random_array("x", (rows, inputs), dtype), random_array("w", (outputs, inputs), dtype)]
        arrays.append(random_array("b", (outputs,), dtype))
        check(f"linear {rows}x{inputs} to {outputs}", fc.linear, arrays, fc.linear(*arrays))
    for size in range(1, 70):
        x = random_array("x", (size,), dtype)
        for function in (fc.relu, fc.relu6, fc.leaky_relu, fc.sigmoid, fc.tanh, fc.silu, fc.hardswish):
            check(f"{function.__name__} of {size}", function, [x], x)


def guard_rearranging(dtype: Any) -> None:
    """Padding, columns both ways and unpooling in both layouts, and outputs that go past the caches."""
    for case in PAD_CASES:
        x = random_array(case.name, case.input, dtype)
        call = bind(fc.pad, pad=case.pad, mode=case.mode, value=case.value)
        if x.size and fits(x.shape, (y := call(x)).shape) and y.size:
            check(f"{case} padded", call, [x], y)
    for window in UNFOLD_CASES:
        x = random_array(window.name, window.input, dtype)
        columns = fc.unfold(x, window.kernel, **window.window)
        if x.size and fits(x.shape, columns.shape):
            call = bind(fc.unfold, kernel_size=window.kernel, **window.window)
            check(f"{window} unfolded", call, [x], columns)
            call = bind(fc.fold, output_size=x.shape[2:], kernel_size=window.kernel, **window.window)
            check(f"{window} folded", call, [columns], x)
    for shape in [*((2, c, 3, 4) for c in range(1, 34)), (1, 1, 1, 1), (2, 3, 1, 40), (1, 2, 40, 1)]:
        x, indices = random_array("x", shape, dtype), np.arange(np.prod(shape[2:])).reshape(shape[2:])
        places = np.ascontiguousarray(np.broadcast_to(4 * indices + 3, shape))
        for layout in ("NCHW", "NHWC"):
            arrays = [channels_last(x), channels_last(places)] if layout == "NHWC" else [x, places]
            call = bind(fc.max_unpool2d, kernel_size=2, layout=layout)
            check(f"{shape} unpooled {layout}", call, arrays, call(*arrays))
    guard_copies(dtype)
    guard_gaps(dtype)
    guard_large_outputs(dtype)


def guard_copies(dtype: Any) -> None:
    """Images in memory channels last, copied channels first, and every second pixel of them."""
    for channels in (*range(1, 35), 64, 65, 70):
        for size in ((1, 1), (1, 7), (3, 5), (8, 9), (16, 17)):
            x = random_array("x", (2, *size, channels), dtype)
            if not fits(x.shape):
                continue
            for step in (1, 2, -1):
                seen = x[:, :, ::step].transpose(0, 3, 1, 2)
                check(f"{x.shape} step {step}", bind(copied, step=step), [x], np.zeros(seen.shape, dtype))


def guard_gaps(dtype: Any) -> None:
    """Pixels that end where pages without access begin."""
    size, count, channels = mmap.PAGESIZE, 40, 9
    pages = mmap.mmap(-1, 2 * size * count)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    every = np.frombuffer(pages, dtype).reshape(count, -1)
    pixels = every[:, : size // dtype.itemsize][:, -channels:]
    pixels[...] = random_array("x", pixels.shape, dtype)
    expected = pixels.T.tobytes()
    for page in range(1, 2 * count, 2):
        ctypes.CDLL(None).mprotect(ctypes.c_void_p(address + page * size), ctypes.c_size_t(size), NO_ACCESS)
    print("ends of every second page", flush=True)
    out = np.empty((channels, count), dtype)
    core.copy(pixels.T, out, native_run())
    if out.tobytes() != expected:
        raise AssertionError("other bits from pixels between gaps")


def copied(x: Array, step: int, out: Array | None = None) -> Array:
    seen = x[:, :, ::step].transpose(0, 3, 1, 2)
    out = np.empty(seen.shape, x.dtype) if out is None else out
    core.copy(seen, out, native_run())
    return out


def guard_large_outputs(dtype: Any) -> None:
    """Rows in a stage, long rows, and planes in a stage."""
    memories = [GuardedMemory(36 << 20) for _ in range(3)]
    for shape in [(3, 60, 150, 101), (5, 4300, 7, 7), (1, 2, 700, 801)]:
        x = random_array("x", shape, dtype)
        for mode in ("constant", "reflect"):
            call = bind(fc.pad, pad=(1, 2, 2, 1), mode=mode)
            check(f"{shape} padded {mode}", call, [x], call(x), memories)
    x = random_array("x", (1, 12, 150, 151), dtype)
    call = bind(fc.unfold, kernel_size=3, padding=1)
    check("large columns", call, [x], call(x), memories)
    places = np.ascontiguousarray(np.broadcast_to(np.arange(90 * 91).reshape(90, 91), (1, 40, 90, 91)))
    call = bind(fc.max_unpool2d, kernel_size=2)
    arrays = [random_array("x", places.shape, dtype), places]
    check("large planes", call, arrays, call(*arrays), memories)


def guard_images(dtype: Any) -> None:
    """Images of both layouts and types, to planes and to blocks."""
    for channels in (*range(1, 20), 33):
        for layout in ("NCHW", "NHWC"):
            for kind in ("uint8", None):
                x = (random_array("x", (2, channels, 4, 8), dtype) * 100).astype(kind or dtype)
                x = channels_last(x) if layout == "NHWC" else x
                for model in (fc.nn.Identity(), fc.nn.Conv2d(channels, 1, 1)):
                    net = fc.compile(
                        model, x.shape, dtype=dtype, layout=layout, input_dtype=kind, mean=3.0, std=2.0
                    )
                    check(f"{channels} channels of {kind} {layout}", net, [x], net(x))


OPERATIONS = {
    "convolution": guard_convolution,
    "transposed": guard_transposed,
    "pooling": guard_pooling,
    "adaptive_pooling": guard_adaptive_pooling,
    "batch_norm": guard_batch_norm,
    "group_norm": guard_group_norm,
    "layer_norm": guard_layer_norm,
    "softmax": guard_softmax,
    "linear": guard_linear,
    "rearranging": guard_rearranging,
    "images": guard_images,
}

if __name__ == "__main__":
    operation, instruction_set, data_type = sys.argv[1:]
    with fc.config(isa=instruction_set):
        OPERATIONS[operation](np.dtype(data_type))
    print("done", flush=True)
