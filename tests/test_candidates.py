"""What `explain` says of the algorithms that could run, and the race that times them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastconv as fc
from fastconv.autotune import race

LARGE = ((1, 64, 30, 31), (64, 64, 3, 3))
ALL = {"direct", "im2col", "winograd_2x2", "winograd_4x4"}


class FakeTime:
    """A clock that only calls move, and calls that take a given time on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.order: list[str] = []
        monkeypatch.setattr(race, "clock", lambda: self.now)

    def call(self, name: str, *seconds: float) -> Callable[[], None]:
        """Return a call that takes the seconds in turn, the last of them from then on."""
        left = list(seconds)

        def run() -> None:
            self.order.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    """Time that passes in no other way."""
    return FakeTime(monkeypatch)


def test_race_takes_turns_and_medians(fake_time: FakeTime) -> None:
    calls = {"a": fake_time.call("a", 0.02, 0.0015, 0.003, 0.002), "b": fake_time.call("b", 0.002)}
    assert race.race(calls, 3, 1.0) == pytest.approx({"a": 0.002, "b": 0.002})
    assert fake_time.order == ["a", "b"] * 4
    calls = {"a": fake_time.call("a", 0, 0.001, 0.004, 0.003, 0.002)}
    assert race.race(calls, 4, 1.0) == pytest.approx({"a": 0.0025})


def test_race_does_not_repeat_what_is_clearly_slower(fake_time: FakeTime) -> None:
    calls = {
        "slow": fake_time.call("slow", 0.004),
        "best": fake_time.call("best", 0.002),
        "near": fake_time.call("near", 0.0029),
    }
    assert race.race(calls, 5, 1.0) == pytest.approx({"slow": 0.004, "best": 0.002, "near": 0.0029})
    assert [fake_time.order.count(name) for name in calls] == [4, 6, 6]


def test_race_counts_the_cold_start_of_long_calls_only(fake_time: FakeTime) -> None:
    calls = {"long": fake_time.call("long", 0.5, 0.3), "longer": fake_time.call("longer", 0.9)}
    assert race.race(calls, 9, 0.1) == pytest.approx({"long": 0.5, "longer": 0.9})
    assert fake_time.order == ["long", "longer"]


def test_race_ends_when_its_time_is_over(fake_time: FakeTime) -> None:
    calls = {"a": fake_time.call("a", 0.02), "b": fake_time.call("b", 0.02)}
    race.race(calls, 100, 0.1)
    assert len(fake_time.order) == 6


def test_race_leaves_out_what_has_not_enough_memory(fake_time: FakeTime) -> None:
    def greedy() -> None:
        raise MemoryError("workspace")

    assert race.race({"greedy": greedy, "a": fake_time.call("a", 0.25)}, 2, 0.1) == {"a": 0.25}
    with pytest.raises(MemoryError, match="workspace"):
        race.race({"greedy": greedy, "other": greedy}, 2, 0.1)


def test_candidates_by_predicted_time() -> None:
    plan = fc.explain("conv2d", *LARGE)
    found = plan["candidates"]
    assert set(found) == ALL
    assert next(iter(found)) == plan["algorithm"]
    predicted = [entry["predicted_ms"] for entry in found.values()]
    assert predicted == sorted(predicted)
    assert 0 < predicted[0] < 1e3
    assert all(set(entry) == {"predicted_ms"} for entry in found.values())
    assert not {"predicted_seconds", "able", "work"} & set(plan)


def test_candidates_of_other_shapes() -> None:
    def names(*shapes: tuple[int, ...], **options: Any) -> set[str]:
        return set(fc.explain("conv2d", *shapes, **options)["candidates"])

    assert names(*LARGE, stride=2) == {"direct", "im2col"}
    assert names((2, 8, 9, 9), (8, 1, 5, 5), groups=8) == {"direct", "im2col", "depthwise"}
    assert names((2, 8, 9, 9), (16, 1, 3, 3), groups=8) == {*ALL, "depthwise"}


def test_candidates_without_winograd() -> None:
    with fc.config(winograd=False):
        for name in ("auto", "direct", "autotune"):
            assert set(fc.explain("conv2d", *LARGE, algorithm=name)["candidates"]) == {"direct", "im2col"}
        for name in ("winograd", "winograd_2x2"):
            assert set(fc.explain("conv2d", *LARGE, algorithm=name)["candidates"]) == ALL


@pytest.mark.parametrize("measure", [False, True])
def test_candidates_of_a_transposed_convolution(measure: bool) -> None:
    def found(weight: tuple[int, ...], **options: Any) -> dict[str, dict[str, float]]:
        plan = fc.explain("conv_transpose2d", (1, 8, 5, 6), weight, measure=measure, **options)
        candidates: dict[str, dict[str, float]] = plan["candidates"]
        return candidates

    tiled = {"winograd_2x2", "winograd_4x4"}
    assert set(found((8, 4, 3, 3))) == {"direct", *tiled}
    assert set(found((8, 4, 4, 4), stride=2, padding=1)) == {"direct", *tiled}
    assert set(found((8, 4, 2, 2), stride=2)) == {"direct"}
    assert set(found((8, 1, 3, 3), groups=8)) == {"direct", "depthwise", *tiled}
    assert set(found((8, 2, 3, 3), groups=8)) == {"direct", *tiled}
    times = {"predicted_ms", "measured_ms"} if measure else {"predicted_ms"}
    assert all(set(entry) == times for entry in found((8, 4, 3, 3)).values())
    with fc.config(winograd=False):
        assert set(found((8, 4, 3, 3))) == {"direct"}


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_measured_candidates_run_on_arrays_of_the_shape(
    layout: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race is only looked at: what it is given has the shapes, types and strides, and really runs."""
    calls: dict[str, Any] = {}

    def seen(given: dict[str, Any], rounds: int, seconds: float) -> dict[str, float]:
        calls.update(given)
        for call in given.values():
            call()
        return {name: 0.001 * (1 + index) for index, name in enumerate(sorted(given))}

    monkeypatch.setattr(race, "race", seen)
    shape = (2, 5, 9, 11) if layout == "NCHW" else (2, 9, 11, 5)
    plan = fc.explain(
        "conv2d", shape, (6, 5, 3, 3), padding=1, layout=layout, dtype=dtype, measure=True, algorithm="direct"
    )
    measured = {name: entry["measured_ms"] for name, entry in plan["candidates"].items()}
    assert measured == pytest.approx({name: 1.0 + index for index, name in enumerate(sorted(ALL))})
    x, w, out = calls["direct"].args[:3]
    assert x.shape == (2, 5, 9, 11) and w.shape == (6, 5, 3, 3) and out.shape == (2, 6, 9, 11)
    assert x.dtype == w.dtype == out.dtype == dtype
    assert (x.strides[1] == x.itemsize) == (layout == "NHWC")
    last = [np.moveaxis(a, 1, -1) if layout == "NHWC" else a for a in (x, out)]
    again = fc.conv2d(last[0], w, padding=1, layout=layout, algorithm=list(calls)[-1])
    np.testing.assert_array_equal(last[1], again)


def test_really_measured() -> None:
    found = fc.explain("conv3d", (1, 2, 5, 6, 7), (3, 2, 2, 2, 2), measure=True)["candidates"]
    assert all(entry["measured_ms"] > 0 for entry in found.values())


def test_measured_beyond_memory() -> None:
    with pytest.raises(MemoryError):
        fc.explain("conv1d", (1, 1, 2**50), (1, 1, 3), measure=True)
