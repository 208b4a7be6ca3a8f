"""The models without torchvision: sizes, outputs, seeds, and that they can be followed symbolically."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from cases import random_array
from symbolic import Symbol

from fastconv import models, nn


class Model(NamedTuple):
    """A model, its published number of parameters, and an input that is small for it."""

    name: str
    parameters: int
    input: tuple[int, ...] = (2, 3, 32, 32)
    output: tuple[int, ...] = (2, 1000)

    def make(self, **options: Any) -> Any:
        """Make the model."""
        return getattr(models, self.name)(**options)


# Numbers of torchvision's documentation, where it has the model.
MODELS = [
    Model("lenet5", 61_706, (2, 1, 28, 28), (2, 10)),
    Model("vgg16", 138_357_544),
    Model("resnet18", 11_689_512),
    Model("resnet34", 21_797_672),
    Model("resnet50", 25_557_032),
    Model("mobilenet_v2", 3_504_872),
    Model("squeezenet1_1", 1_235_496),
    Model("densenet121", 7_978_856),
    Model("googlenet", 6_624_904),
    Model("unet", 31_036_546, (1, 1, 32, 48), (1, 2, 32, 48)),
]
SMALL = [model for model in MODELS if model.parameters < 1e7]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_number_of_parameters_and_output(model: Model) -> None:
    net = model.make().eval()
    assert sum(parameter.size for parameter in net.parameters()) == model.parameters
    x = random_array(model.name, model.input, np.float32)
    y = net(x)
    assert y.shape == model.output
    assert y.dtype == np.float32
    assert np.isfinite(y).all() and np.ptp(y) > 0


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_model_can_be_followed(model: Model) -> None:
    """What a symbolic value went through computes what the model does."""
    net = model.make().eval()
    followed = net(Symbol("x"))
    assert isinstance(followed, Symbol)
    x = random_array(model.name, model.input, np.float32)
    np.testing.assert_array_equal(followed.evaluate(x, {}), net(x))


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_seed_fixes_all_parameters(model: Model) -> None:
    first, second, other = (model.make(rng=seed).state_dict() for seed in (1, np.random.default_rng(1), 2))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert any((array != other[name]).any() for name, array in first.items())


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_training_moves_the_statistics_and_copies_are_apart(model: Model) -> None:
    net = model.make()
    twins = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    size = 28 if model.name == "lenet5" else 64
    x = random_array(model.name, (4, model.input[1], size, size), np.float32)
    for part in (net, *twins):
        part.train()(x)
    moved = dict(net.named_buffers())
    for twin in twins:
        for name, buffer in twin.named_buffers():
            np.testing.assert_allclose(buffer, moved[name], rtol=1e-5)
    counts = [int(array) for name, array in moved.items() if name.endswith("num_batches_tracked")]
    assert counts == [1] * len(counts)


def test_threads_share_a_model_in_evaluation() -> None:
    net = models.squeezenet1_1(num_classes=10).eval()
    inputs = [random_array(f"thread {i}", (1, 3, 48, 48), np.float32) for i in range(6)]
    expected = [net(x) for x in inputs]
    with ThreadPoolExecutor(6) as pool:
        for y, z in zip(pool.map(net, inputs), expected, strict=True):
            np.testing.assert_array_equal(y, z)


def test_googlenet_ignores_auxiliary_classifiers_wherever_it_is() -> None:
    net = nn.Sequential({"net": models.googlenet(num_classes=2), "act": nn.ReLU()})
    state = {**net.state_dict(), "net.aux1.fc1.weight": np.ones(3), "net.aux2.conv.bn.bias": np.ones(3)}
    assert net.load_state_dict(state) == ([], [])
    with pytest.raises(ValueError, match=r'Unexpected key\(s\) in state_dict: "aux1.fc1.weight"'):
        net.load_state_dict({**state, "aux1.fc1.weight": np.ones(3)})


def test_googlenet_transforms_its_input() -> None:
    net = models.googlenet(num_classes=2, transform_input=True)
    assert list(net.state_dict()) == list(models.googlenet(num_classes=2).state_dict())
    x = random_array("transform", (2, 3, 4, 4), np.float64)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (x * std[:, None, None] + mean[:, None, None] - 0.5) / 0.5
    transform = net.transform
    for change in (lambda: None, net.eval, net.train, transform.reset_parameters):
        change()
        np.testing.assert_allclose(transform(x), expected, rtol=1e-12, atol=1e-12)


def test_unet_keeps_the_size_at_every_depth() -> None:
    for depth in (1, 2, 3):
        net = models.unet(2, 3, 4, depth).eval()
        assert net(np.ones((1, 2, 24, 16))).shape == (1, 3, 24, 16)
    with pytest.raises(ValueError, match="input 1 has shape"):
        models.unet(channels=2).eval()(np.ones((1, 1, 40, 40)))


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "10", None])
def test_counts(value: Any) -> None:
    for name in models.__all__:
        if name != "vgg16" or value == 0:
            with pytest.raises((TypeError, ValueError), match="num_classes"):
                getattr(models, name)(num_classes=value)
    for name in ("in_channels", "channels", "depth"):
        with pytest.raises((TypeError, ValueError), match=name):
            models.unet(**{name: value})


def test_other_arguments() -> None:
    with pytest.raises(TypeError, match="transform_input must be True or False"):
        models.googlenet(transform_input=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"p=1\.5"):
        models.squeezenet1_1(dropout=1.5)
    with pytest.raises(TypeError, match="rng must be"):
        models.lenet5(rng="seed")  # type: ignore[arg-type]
