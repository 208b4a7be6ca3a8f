"""Networks that take the parameters away from the model that they are compiled from."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import random_array

import fastconv as fc
from fastconv import nn
from fastconv._native import core as native

SHAPE = (2, 16, 12, 12)
LAYERS = 4


def deep() -> nn.Sequential:
    """Return convolutions behind each other, each with a batch norm, and a linear layer."""
    layers: list[nn.Module] = []
    for seed in range(LAYERS):
        layers += [nn.Conv2d(16, 16, 3, padding=1, rng=seed), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 12 * 12, 10, rng=LAYERS)).eval()


def watched(model: nn.Module) -> list[weakref.ref[Any]]:
    """Watch the values of all parameters."""
    return [weakref.ref(parameter.data) for parameter in model.parameters()]


def alive(values: list[weakref.ref[Any]]) -> int:
    """Count the arrays that somebody holds."""
    return sum(value() is not None for value in values)


def test_released_network_computes_the_same_and_holds_no_parameter() -> None:
    model, x = deep(), random_array("release", SHAPE, np.float32)
    expected = fc.compile(model, SHAPE)(x)
    values = watched(model)
    assert alive(values) == len(values) == 4 * LAYERS + 2
    net = fc.compile(model, SHAPE, release=True)
    np.testing.assert_array_equal(net(x), expected)
    assert alive(values) == 0


def tied() -> nn.Sequential:
    """Return a network that uses a layer three times."""
    layer = nn.Conv2d(16, 16, 1, rng=0)
    return nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), layer)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "transposed": lambda: nn.Sequential(
        nn.ConvTranspose2d(16, 24, 2, 2, rng=0), nn.BatchNorm2d(24), nn.ReLU()
    ),
    "transposed, groups": lambda: nn.Sequential(
        nn.ConvTranspose2d(16, 24, 3, groups=2, rng=0), nn.BatchNorm2d(24)
    ),
    "depthwise": lambda: nn.Sequential(nn.Conv2d(16, 32, 3, groups=16, rng=0), nn.BatchNorm2d(32)),
    "groups": lambda: nn.Conv2d(16, 32, 3, groups=4, rng=0),
    "groups of no block": lambda: nn.Sequential(nn.Conv2d(16, 14, 3, groups=2, rng=0), nn.BatchNorm2d(14)),
    "batch norm first": lambda: nn.Sequential(nn.BatchNorm2d(16), nn.Conv2d(16, 8, 3, rng=0)),
    "norms": lambda: nn.Sequential(
        nn.GroupNorm(4, 16), nn.InstanceNorm2d(16, affine=True), nn.LayerNorm((16, 12, 12))
    ),
    "tied": tied,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("own", ["float32", "float64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_kind_of_layer_gives_up_its_parameters(name: str, own: str, dtype: str) -> None:
    model, x = NETWORKS[name]().to(own).eval(), random_array(name, SHAPE, np.float32)
    for key, variance in model.named_buffers():
        if key.endswith("running_var"):
            variance[:] = np.linspace(0.5, 2, variance.size)
    expected = fc.compile(model, SHAPE, dtype=dtype)(x)
    np.testing.assert_allclose(expected, model(x), rtol=1e-4, atol=1e-4)
    values = watched(model)
    net = fc.compile(model, SHAPE, dtype=dtype, release=True)
    np.testing.assert_array_equal(net(x), expected)
    assert alive(values) == 0


def test_each_filter_goes_when_it_is_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pack, counts = deep(), native.pack_conv, []
    weights = [weakref.ref(module.weight.data) for module in model if isinstance(module, nn.Conv2d)]

    def counting(*args: Any) -> None:
        counts.append(alive(weights))
        pack(*args)

    monkeypatch.setattr(native, "pack_conv", counting)
    fc.compile(model, SHAPE, release=True)
    # The filter of the linear layer is packed first: it is the largest.
    assert counts == [LAYERS, *range(LAYERS, 0, -1)]


def test_what_others_hold_stays() -> None:
    model = deep()
    kept = model.state_dict()
    before = {name: array.copy() for name, array in kept.items()}
    fc.compile(model, SHAPE, release=True)
    for name, array in kept.items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model(np.zeros(SHAPE, np.float32)),
        lambda model: model.state_dict(),
        lambda model: model.load_state_dict(deep().state_dict()),
        lambda model: model.load_state_dict({}, strict=False) and model.state_dict(),
        lambda model: fc.compile(model, SHAPE),
        lambda model: np.asarray(model[0].weight),
        lambda model: fc.compile(model, SHAPE, release=True),
        lambda model: nn.init.constant_(model[0].weight, 0),
    ],
)
def test_released_parameters_say_so(use: Any) -> None:
    model = deep()
    fc.compile(model, SHAPE, release=True)
    with pytest.raises(RuntimeError, match="the values of this parameter were released"):
        use(model)
    weight = model[0].weight
    assert repr(weight) == "Parameter, released"
    assert (weight.shape, weight.ndim, weight.size, weight.dtype) == ((16, 16, 3, 3), 4, 2304, np.float32)
    assert repr(model) == repr(deep())


def test_released_parameters_can_be_loaded() -> None:
    model, x = deep(), random_array("release", SHAPE, np.float32)
    expected, state = model(x), deep().state_dict()
    fc.compile(model, SHAPE, release=True)
    with pytest.raises(ValueError, match=r"size mismatch for 0\.weight"):
        model.load_state_dict({**state, "0.weight": np.zeros((16, 16, 3, 2))}, assign=True)
    model.load_state_dict(state, assign=True)
    np.testing.assert_array_equal(model(x), expected)


def test_released_parameters_can_be_assigned() -> None:
    model, x = deep(), random_array("release", SHAPE, np.float32)
    expected = model(x)
    values = [parameter.data for parameter in model.parameters()]
    fc.compile(model, SHAPE, release=True)
    for parameter, value in zip(model.parameters(), values, strict=True):
        parameter.data = value
    np.testing.assert_array_equal(model(x), expected)


def spoil_variance(model: Any) -> None:
    model[1].running_var[2] = -1


def spoil_eps(model: Any) -> None:
    model[1].eps = "small"


def spoil_bias(model: Any) -> None:
    model[0].bias.data = np.zeros(7, np.float32)


@pytest.mark.parametrize("spoil", [spoil_variance, spoil_eps, spoil_bias])
def test_what_is_refused_late_releases_nothing(spoil: Callable[[Any], None]) -> None:
    model = deep()
    spoil(model)
    with pytest.raises((TypeError, ValueError)):
        fc.compile(model, SHAPE, release=True)
    assert all(parameter.data.size for parameter in model.parameters())


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"release": 1}, TypeError),
        ({"algorithm": "fft"}, ValueError),
        ({"dtype": "int8"}, TypeError),
        ({"mean": [1.0, 2.0]}, ValueError),
        ({"input_shape": (2, 3, 12, 12)}, ValueError),
    ],
)
def test_refused_call_releases_nothing(wrong: dict[str, Any], kind: type[Exception]) -> None:
    model = deep()
    with pytest.raises(kind):
        fc.compile(model, **{"input_shape": SHAPE, "release": True, **wrong})
    assert all(parameter.data.size for parameter in model.parameters())
