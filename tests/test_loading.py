"""How models get their values: drawn once, or left undefined until others are loaded or taken."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from cases import random_array

import fastconv as fc
from fastconv import models, nn

MODELS: dict[str, dict[str, Any]] = {
    "lenet5": {},
    "vgg16": {"num_classes": 2},
    "resnet18": {},
    "resnet50": {},
    "mobilenet_v2": {},
    "squeezenet1_1": {},
    "densenet121": {},
    "googlenet": {"transform_input": True},
    "unet": {"channels": 8},
}


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let memory of undefined contents be full of NaN."""
    empty = np.empty

    def nans(*args: Any, **options: Any) -> Any:
        array = empty(*args, **options)
        if array.dtype.kind == "f":
            array.fill(np.nan)
        return array

    monkeypatch.setattr(np, "empty", nans)


def undefined(model: nn.Module) -> list[bool]:
    """Say of every parameter whether it was left as memory gave it."""
    return [bool(np.isnan(parameter.data).all()) for parameter in model.parameters()]


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("name", MODELS)
def test_models_draw_every_value(name: str) -> None:
    model = getattr(models, name)(**MODELS[name], rng=0)
    for key, array in model.state_dict().items():
        assert np.isfinite(array).all(), key


def test_models_draw_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    draw = nn.init._drawn

    def noting(parameter: nn.Parameter, *args: Any) -> nn.Parameter:
        if not nn.init._skipping.get():
            drawn.append(id(parameter))
        return draw(parameter, *args)

    monkeypatch.setattr(nn.init, "_drawn", noting)
    model = models.resnet18(rng=0)
    assert len(drawn) == len(set(drawn)) > 20
    assert set(drawn) <= {id(parameter) for parameter in model.parameters()}


@pytest.mark.usefixtures("poisoned")
def test_nothing_is_drawn_where_that_is_skipped() -> None:
    with nn.init.skip_init():
        made = [models.lenet5(rng=0), nn.Conv2d(2, 3, 3), nn.ConvTranspose1d(2, 3, 3), nn.Linear(3, 4)]
        elsewhere: list[nn.Module] = []
        thread = threading.Thread(target=lambda: elsewhere.append(nn.Linear(3, 4)))
        thread.start()
        thread.join()
    for model in made:
        assert all(undefined(model))
    assert not any(undefined(elsewhere[0]))
    assert not any(undefined(nn.Linear(3, 4)))
    with pytest.raises(ValueError, match="out_channels"), nn.init.skip_init():
        nn.Conv2d(2, 0, 3)
    assert not any(undefined(nn.Linear(3, 4)))


@pytest.mark.usefixtures("poisoned")
def test_model_made_without_values_computes_with_those_that_are_loaded() -> None:
    trained, x = (
        models.resnet18(num_classes=7, rng=1).eval(),
        random_array("load", (1, 3, 64, 64), np.float32),
    )
    with nn.init.skip_init():
        model = models.resnet18(num_classes=7)
    model.load_state_dict(trained.state_dict(), assign=True)
    np.testing.assert_array_equal(model.eval()(x), trained(x))
    np.testing.assert_array_equal(fc.compile(model, x.shape)(x), fc.compile(trained, x.shape)(x))


def given() -> dict[str, Any]:
    """Return a state of a batch norm of three channels."""
    return {
        "weight": np.array([1.0, 2.0, 3.0], np.float32),
        "bias": np.array([4.0, 5.0, 6.0], np.float64),
        "running_mean": np.array([7.0, 8.0, 9.0], np.float32),
        "running_var": np.array([1.0, 2.0, 3.0], np.float32),
        "num_batches_tracked": np.array(5),
    }


def test_arrays_are_taken_themselves_only_if_asked_for() -> None:
    for assign in (False, True):
        norm, state = nn.BatchNorm1d(3), given()
        weight, bias = norm.parameters()
        before = weight.data
        norm.load_state_dict(state, assign=assign)
        for name, array in norm.state_dict().items():
            np.testing.assert_array_equal(array, state[name])
            assert np.shares_memory(array, state[name]) == assign
        assert (weight.data is before) != assign
        assert bias.data.dtype == (np.float64 if assign else np.float32)
        assert norm.running_mean is norm.state_dict()["running_mean"]


@pytest.mark.parametrize("name", ["weight", "running_mean"])
@pytest.mark.parametrize(
    "unusual",
    [
        lambda array: array.astype(array.dtype.newbyteorder()),
        lambda array: np.frombuffer(array.tobytes(), array.dtype),
        lambda array: array.tolist(),
    ],
    ids=["byte order", "read-only", "list"],
)
def test_what_cannot_be_kept_is_copied(name: str, unusual: Any) -> None:
    norm, state = nn.BatchNorm1d(3), given()
    expected = state[name].copy()
    state[name] = unusual(state[name])
    norm.load_state_dict(state, assign=True)
    taken = norm.state_dict()[name]
    np.testing.assert_array_equal(taken, expected)
    assert taken.dtype.isnative
    assert taken.flags.writeable
    norm(np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]], np.float32))


@pytest.mark.parametrize("other", [np.float16, np.float64, np.int32])
def test_buffers_keep_their_type(other: Any) -> None:
    norm, state = nn.BatchNorm1d(3), given()
    state |= {"running_mean": np.array([7, 8, 9], other), "num_batches_tracked": np.array(5, np.uint8)}
    norm.load_state_dict(state, assign=True)
    taken = norm.state_dict()
    np.testing.assert_array_equal(taken["running_mean"], [7, 8, 9])
    assert taken["running_mean"].dtype == np.float32
    assert taken["num_batches_tracked"].dtype == np.int64


def test_gradients_go_with_the_values_that_they_were_of() -> None:
    norm = nn.BatchNorm1d(3)
    for assign in (False, True):
        for parameter in norm.parameters():
            parameter.grad = np.ones(3, np.float32)
        norm.load_state_dict(given(), assign=assign)
        assert [parameter.grad is None for parameter in norm.parameters()] == [assign] * 2


def test_one_value_may_have_an_axis_more() -> None:
    norm, state = nn.BatchNorm1d(3), given()
    norm.load_state_dict({**state, "num_batches_tracked": np.array([5])}, assign=True)
    assert norm.state_dict()["num_batches_tracked"].shape == ()


def test_nothing_is_assigned_if_one_does_not_fit() -> None:
    norm, state = nn.BatchNorm1d(3), given()
    before = norm.state_dict()
    with pytest.raises(ValueError, match="size mismatch for running_var"):
        norm.load_state_dict({**state, "running_var": np.ones(4, np.float32)}, assign=True)
    with pytest.raises(TypeError, match="assign must be True or False"):
        norm.load_state_dict(state, assign=1)  # type: ignore[arg-type]
    after = norm.state_dict()
    assert all(after[name] is before[name] for name in before)


def test_only_what_is_copied_needs_a_place_to_write() -> None:
    norm, state = nn.BatchNorm1d(3), given()
    (mean,) = (array for name, array in norm.named_buffers() if name == "running_mean")
    mean.flags.writeable = False
    with pytest.raises(ValueError, match="running_mean is read-only"):
        norm.load_state_dict(state)
    norm.load_state_dict(state, assign=True)
    assert np.shares_memory(norm.state_dict()["running_mean"], state["running_mean"])
