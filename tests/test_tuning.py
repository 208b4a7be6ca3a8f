"""``algorithm="autotune"``: what is measured and when, what is remembered, and under which circumstances."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from bounds import assert_same_bits
from calls import ISAS, convolve_transposed, every_algorithm
from cases import CONV_CASES, TRANSPOSED_CASES, ConvCase, TransposedCase, random_array
from forked import HANG, exit_status_of_child, forks, quiet

import fastconv as fc
from fastconv.autotune import race, table
from fastconv.functional import candidates

Array = np.ndarray[Any, Any]
CASES = [case for case in CONV_CASES if "worth" not in case.name][::6]


class Judge:
    """A race whose winner is named beforehand; every call of it runs once, as in a real one."""

    def __init__(self) -> None:
        self.winner = "direct"
        self.races: list[set[str]] = []
        self.during: Callable[[], None] = lambda: None

    def __call__(
        self, calls: dict[str, Callable[[], object]], rounds: int, seconds: float
    ) -> dict[str, float]:
        self.races.append(set(calls))
        for call in calls.values():
            call()
        self.during()
        return {name: 1.0 + (name != self.winner) for name in calls}


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Decide which algorithm is the fastest, of all that can do it."""
    made = Judge()
    monkeypatch.setattr(race, "race", made)
    monkeypatch.setattr(candidates, "HOPELESS", np.inf)
    return made


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Begin and end without choices."""
    fc.tuning.clear()
    yield
    fc.tuning.clear()


def operands(*shape: int, dtype: Any = np.float32) -> tuple[Array, Array]:
    """Return an input of the shape and a filter of 7 outputs that Winograd can do."""
    return random_array("x", shape, dtype), random_array("w", (7, shape[1], 3, 3), dtype)


def tuned(x: Array, w: Array, **options: Any) -> Array:
    """Convolve by the fastest algorithm."""
    return fc.conv2d(x, w, padding=1, algorithm="autotune", **options)


def call(case: ConvCase, algorithm: str, **options: Any) -> Array:
    """Convolve a case with bias and residual."""
    x, w, b = case.arrays(np.float32)
    residual = random_array("residual", case.output, np.float32)
    function: Any = (fc.conv1d, fc.conv2d, fc.conv3d)[case.rank - 1]
    made: Array = function(x, w, b, residual=residual, algorithm=algorithm, **case.options, **options)
    return made


@pytest.mark.parametrize("case", CASES, ids=str)
def test_result_is_that_of_the_chosen_algorithm(case: ConvCase, judge: Judge, isa: str) -> None:
    for name in every_algorithm(case):
        fc.tuning.clear()
        judge.winner = name
        expected = call(case, name)
        for _ in range(2):
            assert_same_bits(call(case, "autotune"), expected)
        out = np.full_like(expected, np.nan)
        assert call(case, "autotune", out=out) is out
        assert_same_bits(out, expected)
        assert [entry["algorithm"] for entry in fc.tuning.entries()] == [name]
    assert judge.races == [set(every_algorithm(case))] * len(every_algorithm(case))


def test_each_problem_is_measured_once(judge: Judge) -> None:
    x, w = operands(2, 5, 8, 9)
    calls: list[Callable[[], object]] = [
        lambda: tuned(x, w),
        lambda: tuned(x[:1], w),
        lambda: tuned(x, w, stride=(2, 1)),
        lambda: tuned(x.astype(np.float64), w),
        lambda: tuned(x.transpose(0, 2, 3, 1), w, layout="NHWC"),
        lambda: tuned(x[:, :4], w[:, :1][[0, 1, 2, 3]], groups=4),
        lambda: fc.conv2d(x, w, algorithm="autotune"),
        *(lambda n=n: under(lambda: tuned(x, w), num_threads=n) for n in (5, 6)),
        lambda: under(lambda: tuned(x, w), winograd=False),
        *(lambda isa=isa: under(lambda: tuned(x, w), isa=isa) for isa in ISAS[:-1]),
    ]
    for index, made in enumerate(calls):
        for _ in range(2):
            made()
            assert len(judge.races) == index + 1
    assert len(fc.tuning.entries()) == len(calls)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_remembered_problem_takes_one_lookup(
    layout: str, judge: Judge, dtype: Any, isa: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, w = operands(2, 5, 8, 9, dtype=dtype)
    x = x if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
    y = tuned(x, w, layout=layout)
    monkeypatch.setattr(table, "settle", None)
    assert_same_bits(tuned(x, w, layout=layout), y)


def under(work: Callable[[], object], **settings: Any) -> object:
    """Work with settings."""
    with fc.config(**settings):
        return work()


def test_what_was_not_asked_for_longest_is_forgotten(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MOST_CHOICES", 3)
    x, w = operands(9, 5, 8, 9)
    for batch in (1, 2, 3, 1, 4, 1, 2):
        tuned(x[:batch], w)
    assert len(judge.races) == 5, "1 is used again and stays, 2 is forgotten for 4"
    assert [entry["input_shape"][0] for entry in fc.tuning.entries()] == [4, 1, 2]


def test_added_choices_are_bounded_too(judge: Judge) -> None:
    x, w = operands(1, 5, 8, 9)
    tuned(x, w)
    (problem,) = table.choices()
    code = table.choices()[problem]
    table.add({problem._replace(threads=n): code for n in range(2, table.MOST_CHOICES + 12)})
    kept = [entry["threads"] for entry in fc.tuning.entries()]
    assert kept == list(range(12, table.MOST_CHOICES + 12))


def test_table_in_use_by_many_threads_keeps_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MOST_CHOICES", 4)
    problem = table.Problem((1,), (1,), None, ((1,), (1,), (0,), (1,)), 1, False, 4, "generic", 1, True)

    def work(start: int) -> None:
        for n in range(start, start + 3000):
            assert table.settle(problem._replace(threads=n % 7), lambda n=n: n % 7) == n % 7  # type: ignore[misc]
            if n % 100 == 0:
                table.forget()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, start) for start in range(4)]:
            done.result()
    assert len(table.choices()) <= 4


def test_same_problem_in_other_clothes(judge: Judge) -> None:
    x, w = operands(1, 5, 8, 9)
    tuned(x, w)
    tuned(x[0], w, bias=np.ones(7), activation="relu", residual=np.ones((7, 8, 9)))
    tuned(x[..., ::-1], w[::-1], out=np.empty((1, 7, 8, 9), np.float32))
    fc.conv2d(x, w, padding="same", algorithm="autotune")
    assert len(judge.races) == 1


def test_winograd_forbidden(judge: Judge) -> None:
    x, w = operands(1, 16, 12, 13)
    judge.winner = "winograd_4x4"
    free = tuned(x, w)
    assert_same_bits(free, fc.conv2d(x, w, padding=1, algorithm="winograd_4x4"))
    with fc.config(winograd=False):
        forbidden = tuned(x, w)
        assert_same_bits(forbidden, fc.conv2d(x, w, padding=1, algorithm="direct"))
    assert judge.races[1] == {"direct", "im2col"}
    assert_same_bits(tuned(x, w), free)


def test_one_candidate_and_hopeless_ones_do_not_race(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "HOPELESS", 1.0)
    x, w = operands(1, 16, 12, 13)
    least = next(iter(fc.explain("conv2d", x.shape, w.shape, padding=1)["candidates"]))
    assert_same_bits(tuned(x, w), fc.conv2d(x, w, padding=1, algorithm=least))
    assert judge.races == []


def test_empty_batch_measures_nothing(judge: Judge) -> None:
    x, w = operands(0, 5, 8, 9)
    assert tuned(x, w).shape == (0, 7, 8, 9)
    assert not judge.races and not fc.tuning.entries()


def test_refused_call_measures_and_writes_nothing(judge: Judge) -> None:
    x, w = operands(1, 5, 8, 9)
    out = np.full((1, 7, 8, 9), np.nan, np.float32)
    for options in ({"bias": np.ones(6)}, {"residual": np.ones(7)}, {"activation": "gelu"}, {"stride": 0}):
        with pytest.raises(ValueError):
            tuned(x, w, out=out, **options)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        tuned(x, w, out=out)
    assert np.isnan(out).all()
    assert not judge.races and not fc.tuning.entries()


def test_explain_tells_what_is_remembered(judge: Judge) -> None:
    x, w = operands(1, 16, 12, 13)

    def algorithm() -> object:
        return fc.explain("conv2d", x.shape, w.shape, padding=1, algorithm="autotune")["algorithm"]

    assert algorithm() == fc.explain("conv2d", x.shape, w.shape, padding=1)["algorithm"]
    judge.winner = "im2col"
    tuned(x, w)
    assert algorithm() == "im2col"


@pytest.mark.parametrize("case", [c for c in TRANSPOSED_CASES if "worth" not in c.name][::7], ids=str)
def test_transposed_convolution_is_measured_once(case: TransposedCase, judge: Judge) -> None:
    x, w, b = case.arrays(np.float32)
    names = every_algorithm(case)
    for judge.winner in names:
        fc.tuning.clear()
        judge.races.clear()
        expected = convolve_transposed(case, x, w, b, algorithm=judge.winner)
        for _ in range(2):
            assert_same_bits(convolve_transposed(case, x, w, b, algorithm="autotune"), expected)
        assert judge.races == ([set(names)] if len(names) > 1 else [])
        plan = fc.explain(
            f"conv_transpose{case.rank}d", x.shape, w.shape, algorithm="autotune", **case.options
        )
        assert plan["algorithm"] == judge.winner
        assert set(plan["candidates"]) == set(names)
        (entry,) = fc.tuning.entries()
        given = {name: entry[name] for name in case.options}
        assert entry["algorithm"] == judge.winner
        assert fc.explain(entry["function"], x.shape, w.shape, **given)["output_shape"] == expected.shape


def test_output_padding_makes_another_problem(judge: Judge) -> None:
    x, w = random_array("x", (1, 16, 5, 5), np.float32), random_array("w", (16, 7, 3, 3), np.float32)
    for extra in (0, 1, 0):
        fc.conv_transpose2d(x, w, stride=2, output_padding=extra, algorithm="autotune")
    fc.conv2d(x, random_array("v", (7, 16, 3, 3), np.float32), stride=2, algorithm="autotune")
    assert [entry.get("output_padding") for entry in fc.tuning.entries()] == [(1, 1), (0, 0), None]


def test_really_measured() -> None:
    x, w = operands(1, 16, 12, 13)
    y = tuned(x, w)
    (entry,) = fc.tuning.entries()
    assert_same_bits(y, fc.conv2d(x, w, padding=1, algorithm=entry["algorithm"]))


def test_many_threads_measure_once(judge: Judge) -> None:
    x, w = operands(2, 5, 8, 9)
    judge.winner = "im2col"
    barrier = threading.Barrier(8)

    def work(_: int) -> Array:
        barrier.wait(HANG)
        return tuned(x, w)

    expected = fc.conv2d(x, w, padding=1, algorithm="im2col")
    with ThreadPoolExecutor(8) as pool:
        for y in pool.map(work, range(8)):
            assert_same_bits(y, expected)
    assert len(judge.races) == 1


@pytest.fixture
def measuring(judge: Judge) -> Iterator[tuple[Array, Array]]:
    """Keep another thread in the measurement of a problem; give its operands."""
    x, w = operands(2, 5, 8, 9)
    begun, end = threading.Event(), threading.Event()

    def hold() -> None:
        judge.during = lambda: None
        begun.set()
        end.wait(HANG)

    judge.during = hold
    thread = threading.Thread(target=tuned, args=(x, w))
    thread.start()
    assert begun.wait(HANG)
    yield x, w
    assert not end.is_set() and thread.is_alive()
    end.set()
    thread.join()
    assert len(fc.tuning.entries()) >= 1


def test_measurement_does_not_block_other_problems(measuring: tuple[Array, Array], judge: Judge) -> None:
    x, w = measuring
    assert fc.tuning.entries() == []
    tuned(x[:1], w)
    tuned(x[:1], w)
    assert len(judge.races) == 2
    assert len(fc.tuning.entries()) == 1


@forks
@quiet
def test_child_forked_in_a_measurement_measures_itself(measuring: tuple[Array, Array], judge: Judge) -> None:
    x, w = measuring
    judge.winner = "im2col"

    def work() -> bool:
        y = tuned(x, w)
        named = fc.conv2d(x, w, padding=1, algorithm="im2col")
        return len(fc.tuning.entries()) == 1 and y.tobytes() == named.tobytes()

    assert exit_status_of_child(work) == 0


@forks
@quiet
def test_child_inherits_choices(judge: Judge) -> None:
    x, w = operands(2, 5, 8, 9)
    judge.winner = "im2col"
    expected = tuned(x, w).tobytes()
    judge.winner = "direct"
    assert exit_status_of_child(lambda: tuned(x, w).tobytes() == expected and len(judge.races) == 1) == 0


def test_signal_handler_may_convolve_in_a_measurement(judge: Judge) -> None:
    x, w = operands(2, 5, 8, 9)

    def again() -> None:
        judge.during = lambda: None
        tuned(x, w)

    judge.during = again
    thread = threading.Thread(target=tuned, args=(x, w), daemon=True)
    thread.start()
    thread.join(HANG)
    assert not thread.is_alive()
    assert len(fc.tuning.entries()) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_stopped_measurement_leaves_no_trace(error: type[BaseException], judge: Judge) -> None:
    x, w = operands(2, 5, 8, 9)

    def stop() -> None:
        raise error

    judge.during = stop
    for _ in range(2):
        with pytest.raises(error):
            tuned(x, w)
        assert fc.tuning.entries() == []
    judge.during = lambda: None
    judge.winner = "im2col"
    with ThreadPoolExecutor(1) as pool:
        y = pool.submit(tuned, x, w).result(HANG)
    assert_same_bits(y, fc.conv2d(x, w, padding=1, algorithm="im2col"))
    assert len(judge.races) == 3
