"""The models against torchvision's: names and shapes of the state, and outputs in evaluation mode."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from cases import random_array

from fastconv import models

torch = pytest.importorskip("torch")


def torchvision_models() -> Any:
    """Import torchvision's models.

    Its own operators, of which no model here has any, may be built for another torch than this one; then
    their shapes, which it declares at import, have nothing to belong to.
    """
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("needs torchvision")
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        name = "torchvision._meta_registrations"
        sys.modules[name] = ModuleType(name)
        return importlib.import_module("torchvision.models")


# Size of the images, and what torchvision wants to be told.
CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("vgg16", 32, {"init_weights": False}),
    ("resnet18", 64, {}),
    ("resnet34", 64, {}),
    ("resnet50", 64, {}),
    ("mobilenet_v2", 64, {}),
    ("squeezenet1_1", 64, {}),
    ("densenet121", 64, {}),
    ("googlenet", 64, {"aux_logits": False, "init_weights": False}),
]


def settled(theirs: Any, size: int) -> Any:
    """Give a model of torchvision statistics that fit its random weights, and set evaluation mode."""
    x = torch.from_numpy(random_array("settle", (4, 3, size, size), np.float32))
    theirs.train()
    with torch.no_grad():
        for _ in range(3):
            theirs(x)
    return theirs.eval()


def close(ours: Any, theirs: Any, size: int) -> None:
    """Compare outputs, in double precision, where only the order of sums differs."""
    x = random_array("image", (2, 3, size, size + 9), np.float64)
    with torch.no_grad():
        expected = theirs.double()(torch.from_numpy(x)).numpy()
    assert np.abs(expected).max() > 1e-6
    np.testing.assert_allclose(
        ours.eval().double()(x), expected, rtol=1e-8, atol=1e-9 * np.abs(expected).max()
    )


@pytest.mark.parametrize(("name", "size", "options"), CASES, ids=[name for name, _, _ in CASES])
def test_model(name: str, size: int, options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    theirs = getattr(torchvision_models(), name)(weights=None, num_classes=7, **options)
    ours = getattr(models, name)(num_classes=7)
    expected = theirs.state_dict()
    assert {key: array.shape for key, array in ours.state_dict().items()} == {
        key: tuple(value.shape) for key, value in expected.items()
    }
    assert list(ours.state_dict()) == list(expected)
    theirs = settled(theirs, size) if name not in ("vgg16", "squeezenet1_1") else theirs.eval()
    assert repr(ours.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    close(ours, theirs, size)


def test_googlenet_with_auxiliary_classifiers_and_transformed_input() -> None:
    torch.manual_seed(2)
    theirs = torchvision_models().googlenet(
        weights=None, num_classes=7, aux_logits=True, transform_input=True, init_weights=False
    )
    theirs = settled(theirs, 64)
    ours = models.googlenet(num_classes=7, transform_input=True)
    ours.load_state_dict(theirs.state_dict())
    close(ours, theirs, 64)


@pytest.mark.parametrize("width_mult", [0.35, 0.75, 1.4])
def test_width_of_mobilenet(width_mult: float) -> None:
    theirs = torchvision_models().mobilenet_v2(weights=None, width_mult=width_mult, num_classes=3)
    ours = models.mobilenet_v2(3, width_mult)
    ours.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "squeezenet1_1", "densenet121", "googlenet"])
def test_initial_deviations(name: str) -> None:
    """Large weights have torchvision's deviation, biases its range."""
    options = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    theirs = getattr(torchvision_models(), name)(weights=None, **options)
    for key, parameter in getattr(models, name)(rng=0).named_parameters():
        expected = theirs.get_parameter(key).detach().numpy()
        if parameter.size > 3000:
            assert parameter.data.std() == pytest.approx(expected.std(), rel=0.1), key
            largest = np.abs(expected).max()
            assert np.abs(parameter.data).max() == pytest.approx(largest, rel=0.35), key
        else:
            assert (np.abs(parameter.data).max() == 0) == (np.abs(expected).max() == 0), key
