"""Bad arguments of padding, im2col and unpooling are refused by name, before anything is written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from bad_arguments import (
    COLUMNS,
    EITHER,
    REARRANGING,
    TOO_LARGE,
    UNPOOLS,
    Bad,
    call,
    of,
    ones,
    sizes,
    spatial,
    valid,
)

OTHER_MODES = ("reflect", "replicate", "circular")


def of_pad(mode: str, rows: dict[str, Any], says: str = "pad") -> list[Bad]:
    """Make rows of paddings that a mode cannot do."""
    changes = {f"{mode}_{name}": {"mode": mode, **change} for name, change in rows.items()}
    return of(("pad",), changes, ValueError, says)


PAD_ROWS = [
    *of(
        ("pad",),
        {
            "integer": {"pad": 1},
            "none": {"pad": None},
            "float": {"pad": (1.0, 1)},
            "bool": {"pad": (True, 1)},
            "string": {"pad": "11"},
            "array": {"pad": np.array([1, 1])},
            "pairs": {"pad": ((1, 1), (1, 1))},
            "inner_none": {"pad": (None, 1)},
            "nan": {"pad": (math.nan, 1)},
        },
        TypeError,
        "pad",
    ),
    *of(
        ("pad",),
        {
            "odd": {"pad": (1,)},
            "three": {"pad": (1, 1, 1)},
            "too_many": {"pad": (0,) * 10},
            "two_to_the_63": {"pad": (2**63, 0)},
            "five_thousand_digits": {"pad": (10**5000, 0)},
        },
        ValueError,
        "pad",
    ),
    *of(
        ("pad",),
        {"edge": {"mode": "edge"}, "capitals": {"mode": "Reflect"}, "empty": {"mode": ""}},
        ValueError,
        "mode",
    ),
    *of(("pad",), {"none": {"mode": None}, "code": {"mode": 1}}, TypeError, "mode"),
    *of(("pad",), {"one": {"value": 1.0}, "nan": {"value": math.nan}}, ValueError, "value"),
    *of(
        ("pad",),
        {"string": {"value": "0"}, "bool": {"value": True}, "array": {"value": ones(1)}},
        TypeError,
        "value",
    ),
    *of(("pad",), {"complex": {"value": 1j, "mode": "constant"}}, TypeError, "value"),
    *of_pad("constant", {"huge": {"value": 1e39}, "digits": {"value": 10**400}}, "value"),
    *of_pad(
        "constant",
        {"crops_more": {"pad": (-4, -4)}, "crops_a_side": {"pad": (9, -8)}, "crops": {"pad": (-8, 9)}},
    ),
    *of_pad(
        "reflect",
        {"the_size": {"pad": (7, 0, 0, 0)}, "behind": {"pad": (0, 7, 0, 0)}, "rows": {"pad": (0, 0, 5, 0)}},
    ),
    *of_pad("reflect", {"nothing_left": {"pad": (-3, -4, 0, 0)}, "less": {"pad": (-9, 1, 0, 0)}}),
    *of_pad("replicate", {"nothing_left": {"pad": (-3, -4, 0, 0)}, "less": {"pad": (-9, 1, 0, 0)}}),
    *of_pad("circular", {"over_the_size": {"pad": (8, 0, 0, 0)}, "behind": {"pad": (0, 8, 0, 0)}}),
    *of_pad("circular", {"over_the_crop": {"pad": (-3, 5, 0, 0)}, "less": {"pad": (-4, -4, 0, 0)}}),
    *(
        row
        for mode in OTHER_MODES
        for row in of_pad(
            mode,
            {
                "no_axes": {"pad": ()},
                "one_of_four": {"pad": (1, 1)},
                "every_axis": {"pad": (1,) * 8},
                "alone": {"input": ones(5), "pad": (1, 1)},
                "five_axes": {"input": ones(1, 1, 1, 4, 4), "pad": (1,) * 4},
                "empty_axis": {"input": ones(2, 4, 0, 7), "pad": (1, 1, 1, 1)},
            },
            "",
        )
    ),
    *of_pad("reflect", {"no_channels": {"input": ones(2, 0, 5, 7)}}, "input"),
    *of_pad("replicate", {"no_channels": {"input": ones(2, 0, 5, 7)}}, "input"),
    *of(("pad",), {"above_memory": {"mode": "constant", "pad": (2**61, 2**61)}}, MemoryError, "pad"),
]

COLUMN_ROWS = [
    *sizes(COLUMNS, "kernel_size", 1),
    *sizes(COLUMNS, "stride", 1),
    *sizes(COLUMNS, "dilation", 1),
    *sizes(COLUMNS, "padding", 0),
    *sizes(COLUMNS[1:], "output_size", 1),
    *of(COLUMNS, {"larger_than_the_images": {"kernel_size": (6, 1)}}, ValueError, ""),
    *of(
        COLUMNS,
        {"dilated_beyond_the_images": {"dilation": 4}, "huge": {"dilation": 2**62}},
        ValueError,
        "dilation",
    ),
    *of(COLUMNS, {"huge": {"padding": 2**50}, "more": {"padding": 2**62}}, TOO_LARGE, "padding"),
    *of(
        COLUMNS,
        {"unknown": {"padding": "full"}, "same": {"padding": "same", "stride": 2}},
        ValueError,
        "padding",
    ),
    *of(COLUMNS, {"none": {"kernel_size": None}, "no_stride": {"stride": None}}, TypeError, ""),
    *of(COLUMNS, {"scalar": {"input": 1.0}, "vector": {"input": ones(4)}}, ValueError, "input"),
    *of(
        COLUMNS[:1],
        {
            "matrix": {"input": ones(5, 7)},
            "five_axes": {"input": ones(1, 2, 3, 5, 7)},
            "no_channels": {"input": ones(2, 0, 5, 7)},
            "no_rows": {"input": ones(2, 4, 0, 7)},
            "no_columns": {"input": ones(0, 4, 5, 0)},
        },
        ValueError,
        "input",
    ),
    *of(
        COLUMNS[1:],
        {
            "four_axes": {"input": ones(1, 2, 36, 15)},
            "channels": {"input": ones(2, 35, 15)},
            "windows": {"input": ones(2, 36, 16)},
            "no_channels": {"input": ones(2, 0, 15)},
            "no_windows": {"input": ones(2, 36, 0)},
            "size": {"output_size": (5, 8)},
        },
        ValueError,
        "input",
    ),
    *of(COLUMNS[1:], {"none": {"output_size": None}}, TypeError, "output_size"),
    *of(COLUMNS[1:], {"huge": {"output_size": 2**62}}, (*EITHER, MemoryError), "output_size"),
]


def indices(shape: tuple[int, ...], dtype: Any = np.int64) -> Any:
    """Make indices of these leading axes and three elements on every spatial axis."""
    return lambda rank: {"indices": np.zeros((*shape, *[3] * rank), dtype)}


UNPOOL_ROWS = [
    *sizes(UNPOOLS, "kernel_size", 1),
    *sizes(UNPOOLS, "stride", 1),
    *sizes(UNPOOLS, "padding", 0),
    *of(UNPOOLS, {"none": {"kernel_size": None}}, TypeError, "kernel_size"),
    *of(UNPOOLS, {"nothing_left": {"padding": 5}, "huge": {"padding": 2**62}}, ValueError, "padding"),
    *of(UNPOOLS, {"huge": {"stride": 2**62}, "large": {"stride": 2**55}}, MemoryError, "stride"),
    *of(
        UNPOOLS,
        {
            "nothing_left_of_a_size": lambda rank: {"padding": 5, "output_size": (7,) * rank},
            "huge_for_a_size": lambda rank: {"padding": 2**62, "output_size": (7,) * rank},
        },
        ValueError,
        "padding",
    ),
    *of(
        UNPOOLS,
        {
            "small": lambda rank: {"output_size": (4,) * rank},
            "large": lambda rank: {"output_size": (10,) * rank},
            "empty": {"output_size": ()},
            "longer": lambda rank: {"output_size": (7,) * (rank + 1)},
            "other_batch": lambda rank: {"output_size": (3, 4, *[7] * rank)},
            "other_channels": lambda rank: {"output_size": (2, 3, *[7] * rank)},
            "negative": lambda rank: {"output_size": (-7,) * rank},
            "zero": lambda rank: {"output_size": (0,) * rank},
            "two_to_the_63": lambda rank: {"output_size": (2**63,) * rank},
        },
        ValueError,
        "output_size",
    ),
    *of(
        UNPOOLS,
        {
            "integer": {"output_size": 7},
            "float": lambda rank: {"output_size": (7.0,) * rank},
            "string": {"output_size": "7"},
        },
        TypeError,
        "output_size",
    ),
    *of(
        UNPOOLS,
        {
            "one_sample": indices((1, 4)),
            "unbatched": indices((4,)),
            "no_samples": indices((0, 4)),
            "scalar": {"indices": 0},
        },
        ValueError,
        "indices",
    ),
    *of(
        UNPOOLS,
        {
            "float": indices((2, 4), np.float64),
            "bool": indices((2, 4), np.bool_),
            "complex": indices((2, 4), np.complex64),
            "object": indices((2, 4), object),
            "strings": indices((2, 4), "U1"),
            "dates": indices((2, 4), "M8[s]"),
            "none": {"indices": None},
            "masked": lambda rank: {"indices": np.ma.zeros((2, 4, *[3] * rank), int)},
        },
        TypeError,
        "indices",
    ),
    *of(
        UNPOOLS,
        {"unsigned": lambda rank: {"indices": np.full((2, 4, *[3] * rank), 2**63, np.uint64)}},
        ValueError,
        "indices",
    ),
    *of(
        UNPOOLS,
        {
            "too_few_axes": {"input": ones(4)},
            "too_many_axes": spatial((1, 2, 4), 3),
            "zero_channels": spatial((2, 0), 3),
            "zero_size": spatial((2, 4), 0),
        },
        ValueError,
        "input",
    ),
    *of(UNPOOLS, {"unknown": {"layout": "NWHC"}}, ValueError, "layout"),
    *of(UNPOOLS, {"none": {"layout": None}}, TypeError, "layout"),
]


@pytest.mark.parametrize("row", [*PAD_ROWS, *COLUMN_ROWS, *UNPOOL_ROWS], ids=str)
def test_bad_argument_is_named_and_nothing_is_written(row: Bad) -> None:
    arguments = valid(row.function)
    out = np.full_like(call(row.function, arguments), 77.0)
    with pytest.raises(row.error) as raised:
        call(row.function, {**arguments, "out": out, **row.changes})
    assert row.says in str(raised.value)
    assert len(str(raised.value)) < 500
    assert (out == 77.0).all()


@pytest.mark.parametrize("function", REARRANGING)
def test_valid_call_is_valid(function: str) -> None:
    """The rows above change a call that works."""
    call(function, valid(function))


def test_out_over_the_indices_is_refused() -> None:
    memory = np.zeros(200, np.float32)
    places = memory[:8].view(np.int64)[:4].reshape(1, 1, 2, 2)
    out = memory[7:23].reshape(1, 1, 4, 4)
    with pytest.raises(ValueError, match="out overlaps"):
        call("max_unpool2d", {"input": ones(1, 1, 2, 2), "indices": places, "kernel_size": 2, "out": out})
    assert (memory == 0).all()


@pytest.mark.parametrize("function", REARRANGING)
def test_empty_batch_and_unbatched(function: str) -> None:
    arguments = valid(function)
    batched = [name for name in ("input", "indices") if name in arguments]
    full = call(function, arguments)
    none = call(function, {**arguments, **{name: arguments[name][:0] for name in batched}})
    assert none.shape == (0, *full.shape[1:])
    one = call(function, {**arguments, **{name: arguments[name][1] for name in batched}})
    np.testing.assert_array_equal(one, full[1])


@pytest.mark.parametrize("function", ["unfold", "max_unpool2d"])
@pytest.mark.parametrize("equal", [True, 1.0, np.float64(1.0), np.bool_(True)], ids=repr)
def test_equal_keys_of_other_types_find_nothing_remembered(function: str, equal: Any) -> None:
    """1, 1.0 and True are equal and have one hash."""
    arguments = {**valid(function), "stride": 1}
    call(function, arguments)
    for changes in ({"stride": equal}, {"stride": (equal, 1)}, {"padding": equal}):
        with pytest.raises(TypeError, match=next(iter(changes))):
            call(function, {**arguments, **changes})
    with pytest.raises(TypeError, match="pad"):
        call("pad", {**valid("pad"), "pad": (equal, 2, 0, 1)})
