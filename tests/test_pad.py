"""Padding against the oracle: every mode, every bit, every kind of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from bounds import assert_same_bits
from calls import ISAS
from cases import PAD_CASES, PadCase, random_array
from hypothesis import assume, given
from hypothesis import strategies as st

import fastconv as fc

Array = np.ndarray[Any, Any]

MODES = ["constant", "reflect", "replicate", "circular"]


def padded(case: PadCase, x: Array, **options: Any) -> Array:
    """Pad as the case says."""
    return fc.pad(x, case.pad, case.mode, case.value, **options)


@pytest.mark.parametrize("case", PAD_CASES, ids=str)
def test_same_bits_as_the_oracle(case: PadCase, dtype: Any, isa: str) -> None:
    x = random_array(case.name, case.input, dtype)
    expected = oracle.pad(x, case.pad, case.mode, case.value)
    for threads in (1, 2, 3):
        with fc.config(num_threads=threads):
            assert_same_bits(padded(case, x), expected)
    out = np.full(expected.shape, 77, dtype)
    assert padded(case, x, out=out) is out
    assert_same_bits(out, expected)


def bit_patterns(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return any bits: NaN with payloads, quiet and signalling, infinities, both zeros, subnormal numbers."""
    unsigned = np.dtype(f"u{np.dtype(dtype).itemsize}")
    bits = np.random.default_rng(3).integers(0, np.iinfo(unsigned).max, shape, unsigned, endpoint=True)
    exponent = np.full(shape, np.inf, dtype).view(unsigned)
    bits[..., ::3] |= exponent[..., ::3]
    return bits.view(dtype)


@pytest.mark.parametrize("mode", MODES)
def test_no_bit_of_a_nan_changes(mode: str, dtype: Any, isa: str) -> None:
    for width in (1, 5, 31):
        x = bit_patterns((3, 4, width), dtype)
        unsigned = x.view(f"u{x.itemsize}")
        pad = (min(2, width - 1), width - 1, 1, 2)
        expected = oracle.pad(unsigned, pad, mode)
        np.testing.assert_array_equal(fc.pad(x, pad, mode).view(unsigned.dtype), expected)


@pytest.mark.parametrize("mode", MODES)
def test_any_strides(mode: str, dtype: Any, isa: str) -> None:
    x = random_array("x", (3, 8, 9, 40), dtype)
    views = [
        x[::-1, ::-1, ::-1, ::-1], x[..., ::2], x[:, ::3, 1::2, 3::4], x.transpose(0, 2, 3, 1),
        x.transpose(3, 2, 1, 0),
        x[:, :, :, :1], x[:, :, 4:5, 7:], x[1:2, 3:4], np.broadcast_to(x[:, :, :1], x.shape),
        np.broadcast_to(x[..., 5:6], x.shape), np.asfortranarray(x), x[:, 1:, 2:, 3:],
    ]  # fmt: skip
    for view in views:
        for pad in ((0, 0, 0, 0), (1, 0, 2, 1), (0, -1, 1, -1), (0, 0, 1, 1)):
            if 1 in view.shape[2:] and (mode in ("reflect", "circular") or min(pad) < 0):
                continue
            assert_same_bits(fc.pad(view, pad, mode), oracle.pad(view.copy(), pad, mode))


@pytest.mark.parametrize(
    "shape", [(5, 26, 130, 131), (3, 1, 700, 600), (48, 300, 9, 10), (1, 2, 1_200_001)], ids=str
)
@pytest.mark.parametrize("mode", MODES)
def test_outputs_larger_than_the_caches(mode: str, shape: tuple[int, ...], dtype: Any, isa: str) -> None:
    """Such outputs are put together in a stage, or stored past the caches, wherever they start."""
    x = random_array("x", shape, dtype)
    pad = (1, 2) if len(shape) == 3 else (1, 2, 2, 1)
    expected = oracle.pad(x, pad, mode)
    for threads, offset in ((1, 0), (3, 1), (2, 16)):
        out = np.full(expected.size + offset, np.nan, dtype)[offset:].reshape(expected.shape)
        with fc.config(num_threads=threads):
            assert_same_bits(fc.pad(x, pad, mode, out=out), expected)
            assert_same_bits(fc.pad(x, pad, mode), expected)


@pytest.mark.parametrize("case", PAD_CASES[::7], ids=str)
def test_sample_alone_has_the_bits_it_has_in_a_batch(case: PadCase, isa: str) -> None:
    x = random_array(case.name, (3, *case.input[1:]), np.float32)
    if len(case.pad) // 2 == x.ndim or x.size == 0:
        return
    together = padded(case, x)
    for sample in range(3):
        assert_same_bits(together[sample : sample + 1], padded(case, x[sample : sample + 1]))


@pytest.mark.parametrize(
    "value", [0, -0.0, 3, np.float32(0.1), np.int8(-2), 1e38, -np.inf, np.nan, None, 0.1]
)
def test_value_is_rounded_to_the_type(value: Any, dtype: Any) -> None:
    y = fc.pad(np.ones((2, 3), dtype), (1, 1), value=value)
    expected = np.full((), 0.0 if value is None else value, dtype)
    assert_same_bits(y[:, 0], np.broadcast_to(expected, 2).copy())


def test_value_beyond_float32_fits_float64() -> None:
    with pytest.raises(ValueError, match="value=1e"):
        fc.pad(np.ones((1, 1), np.float32), (1, 1), value=1e39)
    assert fc.pad(np.ones((1, 1)), (1, 1), value=1e39)[0, 0] == 1e39


def test_sides_far_beyond_the_input() -> None:
    x = np.arange(3.0)[None]
    np.testing.assert_array_equal(fc.pad(x[None], (-(2**62), 2**62), "replicate"), [[[2, 2, 2]]])
    np.testing.assert_array_equal(fc.pad(x[None], (2**62, 2 - 2**62), "replicate"), [[[0, 0, 0, 0, 0]]])
    with pytest.raises(MemoryError):
        fc.pad(x, (2**62, 2**62))
    with pytest.raises(MemoryError):
        fc.pad(np.empty((3, 0)), (0, 0, 2**62, 0))
    with pytest.raises(MemoryError):
        fc.pad(x, (2**50, 0))


@st.composite
def pad_cases(draw: st.DrawFn) -> PadCase:
    """Draw a padding that the mode can do."""
    mode = draw(st.sampled_from(MODES))
    axes = draw(st.integers(1, 3))
    leading = draw(st.integers(0, 2) if mode == "constant" else st.integers(1, 2))
    shape = draw(st.lists(st.integers(1, 20), min_size=axes + leading, max_size=axes + leading))
    pad: list[int] = []
    for size in reversed(shape[leading:]):
        before, after = draw(st.integers(-size, 20)), draw(st.integers(-size, 20))
        if mode == "reflect":
            before, after = min(before, size - 1), min(after, size - 1)
        if mode == "circular":
            before, after = min(before, size), min(after, size)
            kept = size + min(before, 0) + min(after, 0)
            assume(kept >= max(before, after, 0))
        if mode == "constant":
            assume(size + min(before, 0) + min(after, 0) >= 0)
        else:
            assume(size + before + after >= (0 if mode == "circular" else 1))
        pad += [before, after]
    return PadCase("drawn", tuple(shape), tuple(pad), mode, 7.0 if mode == "constant" else 0.0)


@given(case=pad_cases(), isa=st.sampled_from(ISAS), threads=st.integers(1, 3), order=st.sampled_from("CFR"))
def test_drawn(case: PadCase, isa: str, threads: int, order: str) -> None:
    x = random_array("drawn", case.input, np.float32)
    x = x[..., ::-1] if order == "R" else np.array(x, order="F" if order == "F" else "C")
    with fc.config(isa=isa, num_threads=threads):
        assert_same_bits(padded(case, x), oracle.pad(x.copy(), case.pad, case.mode, case.value))


@pytest.mark.parametrize("case", [case for case in PAD_CASES if case.input], ids=str)
def test_as_torch(case: PadCase) -> None:
    torch = pytest.importorskip("torch")
    x = random_array(case.name, case.input, np.float64)
    expected = torch.nn.functional.pad(torch.from_numpy(x), case.pad, case.mode, case.value).numpy()
    assert_same_bits(padded(case, x), expected)
