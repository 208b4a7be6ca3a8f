"""Compiled networks against the modules that they were made of."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import random_array

import fastconv as fc
from fastconv import inference, models, nn

Array = np.ndarray[Any, Any]

# name -> arguments, and an input that is small but goes through every layer.
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "lenet5": ({}, (2, 1, 28, 28)),
    "vgg16": ({"num_classes": 10}, (1, 3, 224, 224)),
    "resnet18": ({}, (2, 3, 64, 96)),
    "resnet34": ({}, (1, 3, 64, 64)),
    "resnet50": ({}, (2, 3, 64, 64)),
    "mobilenet_v2": ({}, (2, 3, 64, 64)),
    "squeezenet1_1": ({}, (2, 3, 64, 64)),
    "densenet121": ({}, (1, 3, 64, 64)),
    "googlenet": ({}, (2, 3, 64, 64)),
    "unet": ({}, (1, 1, 64, 48)),
}


# Of the initial weights, with which nothing of the input would be left behind so many layers.
GAIN = {"mobilenet_v2": 3, "googlenet": 7}


def network(name: str) -> nn.Module:
    """Return a network with statistics and shifts as if it had been trained."""
    model: nn.Module = getattr(models, name)(**NETWORKS[name][0])
    rng = np.random.default_rng(0)
    for key, array in model.state_dict().items():
        if key.endswith("running_mean"):
            array[:] = 0.1 * rng.standard_normal(array.shape)
        if key.endswith("running_var"):
            array[:] = GAIN.get(name, 1) ** -2 * rng.uniform(0.5, 1.5, array.shape)
    return model.eval()


@pytest.mark.parametrize("name", NETWORKS)
def test_network_gives_what_its_modules_give(name: str) -> None:
    shape = NETWORKS[name][1]
    model = network(name)
    x = random_array(name, shape, np.float32)
    expected = model(x)
    y = fc.compile(model, shape)(x)
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    assert np.abs(model(0 * x) - expected).max() > 0.02 * np.abs(expected).max()
    # Rounding of some dozens of layers, relative to what the output is like.
    np.testing.assert_allclose(y, expected, atol=2e-4 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
def test_double_precision_is_within_rounding_of_the_modules(name: str) -> None:
    shape = NETWORKS[name][1]
    model = network(name)
    x = random_array(name, shape, np.float64)
    expected = model(x)
    y = fc.compile(model, shape, dtype="float64")(x)
    np.testing.assert_allclose(y, expected, atol=1e-12 * np.abs(expected).max(), rtol=0)


def small() -> nn.Sequential:
    """Return a network of a few layers."""
    return nn.Sequential(
        nn.Conv2d(3, 20, 3, padding=1, bias=False),
        nn.BatchNorm2d(20),
        nn.ReLU(),
        nn.Residual(nn.Sequential(nn.Conv2d(20, 20, 3, padding=1), nn.SiLU())),
        nn.Concat(nn.Conv2d(20, 16, 1), nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(20, 8, 1))),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d((1, None)),
        nn.Flatten(),
        nn.Linear(24 * 9, 5),
        nn.Softmax(1),
    )


def test_network_computes_as_in_evaluation_and_owns_its_filters() -> None:
    model = small()
    x = random_array("x", (4, 3, 8, 9), np.float32)
    net = fc.compile(model, x.shape)
    assert model.training
    expected = copy.deepcopy(model).eval()(x)
    before = net(x)
    np.testing.assert_allclose(before, expected, rtol=1e-5, atol=1e-6)
    for parameter in model.parameters():
        parameter.data[...] = np.nan
    assert net(x).tobytes() == before.tobytes()
    assert net(x[1:2]).tobytes() == before[1:2].tobytes()


def test_several_threads_call_one_network() -> None:
    net = fc.compile(small(), (2, 3, 8, 9))
    xs = [random_array(str(i), (2, 3, 8, 9), np.float32) for i in range(6)]
    alone = [net(x) for x in xs]
    results: dict[int, Array] = {}

    def work(i: int) -> None:
        for _ in range(10):
            results[i] = net(xs[i])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(xs))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [results[i].tobytes() for i in range(len(xs))] == [y.tobytes() for y in alone]


def test_every_kind_of_input_array() -> None:
    net = fc.compile(small(), (2, 3, 8, 9))
    x = random_array("x", (2, 3, 8, 9), np.float32)
    expected = net(x)
    for same in (
        x[:, :, ::-1][:, :, ::-1],
        np.asfortranarray(x),
        x.astype(">f4"),
        x.astype(np.float64),
        x.tolist(),
    ):
        assert net(same).tobytes() == expected.tobytes()


def test_summary_and_profile_describe_every_step() -> None:
    net = fc.compile(small(), (2, 3, 8, 9))
    rows = net.summary()
    assert [row.step for row in rows if row.gflop][:2] == ["conv", "conv"]
    first = 2 * 2 * 8 * 9 * 20 * 3 * 9 / 1e9
    assert rows[0].gflop == pytest.approx(first)
    assert rows[0].output == (20, 8, 9)
    assert str(rows).count("\n") == len(rows) + 1
    measured = net.profile(random_array("x", (2, 3, 8, 9), np.float32))
    assert [row.step for row in measured] == [row.step for row in rows]
    assert all(row.ms is not None and row.ms >= 0 for row in measured)
    assert rows.in_steps is None
    assert measured.in_steps is not None
    assert 0 < measured.in_steps < 1
    assert "of peak" in str(measured)
    assert net.workspace_bytes > 0
    with pytest.raises(ValueError, match="empty batch"):
        net.profile(np.zeros((0, 3, 8, 9)))


NORMS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "groups": (lambda: nn.GroupNorm(4, 20), (20, 7, 9)),
    "groups_without_scale": (lambda: nn.GroupNorm(20, 20, affine=False), (20, 7, 9)),
    "groups_of_a_vector": (lambda: nn.GroupNorm(4, 20), (20,)),
    "groups_of_a_volume": (lambda: nn.GroupNorm(5, 20), (20, 3, 4, 5)),
    "layer_of_a_vector": (lambda: nn.LayerNorm(20), (20,)),
    "layer_of_a_map": (lambda: nn.LayerNorm((20, 7, 9)), (20, 7, 9)),
    "layer_of_planes": (lambda: nn.LayerNorm((7, 9), bias=False), (20, 7, 9)),
    "layer_of_rows": (lambda: nn.LayerNorm(9, elementwise_affine=False), (20, 7, 9)),
    "instances": (lambda: nn.InstanceNorm2d(20), (20, 7, 9)),
    "instances_with_scale": (lambda: nn.InstanceNorm2d(20, affine=True), (20, 7, 9)),
    "tracked_instances": (lambda: nn.InstanceNorm2d(20, track_running_stats=True), (20, 7, 9)),
    "instances_of_a_sequence": (lambda: nn.InstanceNorm1d(20, affine=True), (20, 9)),
    "instances_of_a_volume": (lambda: nn.InstanceNorm3d(20), (20, 3, 4, 5)),
}


@pytest.mark.parametrize("place", ["alone", "between"])
@pytest.mark.parametrize("name", NORMS)
def test_norms_of_samples(name: str, place: str, dtype: Any, isa: str, threads: int) -> None:
    make, shape = NORMS[name]
    norm, rank = make(), len(shape) - 1
    for key, array in norm.state_dict().items():
        if "num_batches" not in key:
            array[...] = random_array(key, array.shape, np.float32) + 2 * ("var" in key)
    around: list[nn.Module] = [nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 5)]
    if rank:
        kind = getattr(nn, f"Conv{rank}d")
        around = [kind(20, 20, 3, padding=1), nn.ReLU(), kind(20, 5, 1)]
    model = nn.Sequential(norm) if place == "alone" else nn.Sequential(around[0], norm, *around[1:])
    x = random_array(name, (3, *shape), dtype)
    expected = model.eval()(x)
    net = fc.compile(model, x.shape, dtype=dtype)
    net(np.full_like(x, np.nan))
    limit = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(net(x), expected, rtol=0, atol=limit * np.abs(expected).max())
    assert net(x[1:2]).tobytes() == net(x)[1:2].tobytes()


@pytest.mark.parametrize(
    "kind", [nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Hardswish]
)
def test_every_activation(kind: Any) -> None:
    x = 4 * random_array("x", (2, 6, 5, 7), np.float32)
    for model in (kind(), nn.Sequential(conv(6, 8), kind()), nn.Sequential(nn.MaxPool2d(2), kind())):
        np.testing.assert_allclose(fc.compile(model, x.shape)(x), model(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_activation_behind_group_norm_is_its_own(activation: str) -> None:
    kind = {"relu": nn.ReLU, "silu": nn.SiLU}[activation]
    model = nn.Sequential(nn.GroupNorm(2, 6), kind())
    x = random_array("x", (2, 6, 5, 7), np.float32)
    net = fc.compile(model, x.shape)
    assert [row.step for row in net.summary()] == ["group norm"]
    np.testing.assert_allclose(net(x), model(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("as_path", [str, Path])
def test_profile_is_drawn(as_path: Callable[[str], Any], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    measured = fc.compile(small(), (1, 3, 8, 9)).profile(random_array("x", (1, 3, 8, 9), np.float32))
    file = tmp_path / "steps.svg"
    measured.plot(as_path(str(file)))
    drawn = file.read_text()
    for text in ("20 x 8 x 9", "conv direct", "% of the peak"):
        assert f"<!-- {text}" in drawn
    with pytest.raises(ValueError, match="no_format"):
        measured.plot(tmp_path / "steps.no_format")


def test_what_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net = fc.compile(small(), (1, 3, 8, 9))
    file = tmp_path / "steps.png"
    with pytest.raises(ValueError, match=r"no times to plot"):
        net.summary().plot(file)
    measured = net.profile(random_array("x", (1, 3, 8, 9), np.float32))
    with pytest.raises(TypeError, match="path must be a string or a path, got int"):
        measured.plot(3)  # type: ignore[arg-type]
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "fastconv.inference.plot", raising=False)
    monkeypatch.delattr(inference, "plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'needs matplotlib, as in pip install "fastconv\[demo\]"'):
        measured.plot(file)
    assert not file.exists()


def conv(inputs: int, outputs: int) -> nn.Conv2d:
    """Return what Winograd's algorithm computes."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


JOINED: dict[str, Callable[[], nn.Module]] = {
    "residual_in_a_part": lambda: nn.Sequential(
        conv(16, 16), nn.Concat(nn.Residual(conv(16, 16)), conv(16, 16)), conv(32, 16)
    ),
    "residual_behind_a_join": lambda: nn.Sequential(
        nn.Concat(conv(16, 16), conv(16, 16)), nn.Residual(conv(32, 32)), conv(32, 16)
    ),
    "input_among_the_parts": lambda: nn.Sequential(nn.Concat(nn.Identity(), conv(16, 16)), conv(32, 16)),
    "input_behind_a_part": lambda: nn.Sequential(nn.Concat(conv(16, 16), nn.Identity()), nn.MaxPool2d(2)),
    "join_of_joins": lambda: nn.Sequential(
        nn.Concat(nn.Concat(conv(16, 16), nn.Identity()), nn.Residual(conv(16, 16))), nn.ReLU(), conv(48, 5)
    ),
    "empty_stack": lambda: nn.Residual(conv(16, 16), nn.Sequential()),
}


@pytest.mark.parametrize("algorithm", ["auto", "direct", "winograd_2x2", "winograd_4x4"])
@pytest.mark.parametrize("name", JOINED)
def test_joined_and_added_maps(name: str, algorithm: str) -> None:
    model = JOINED[name]().eval()
    x = random_array(name, (3, 16, 24, 28), np.float32)
    net = fc.compile(model, x.shape, algorithm=algorithm)
    net(np.full_like(x, np.nan))
    np.testing.assert_allclose(net(x), model(x), rtol=0, atol=2e-5)


class Doubled(nn.ReLU):
    """A leaf with a forward of its own."""

    def forward(self, input: Any) -> Any:
        return 2 * super().forward(input)


class Named(nn.ReLU):
    """A leaf with another name."""


class Composite(nn.Module):
    """Whatever a function makes of a few modules."""

    def __init__(self, compute: Any) -> None:
        super().__init__()
        self.conv, self.up, self.relu = nn.Conv2d(3, 3, 1), nn.ConvTranspose2d(3, 3, 3, 2, 1), nn.ReLU()
        self.join = nn.Concat()
        self.compute = compute

    def forward(self, x: Any) -> Any:
        return self.compute(self, x)


def test_network_is_traced_in_evaluation() -> None:
    model = Composite(lambda m, x: x if m.training else m.relu(x))
    x = random_array("x", (1, 3, 8, 9), np.float32)
    y = fc.compile(model, x.shape)(x)
    assert model.training
    assert model.relu.training
    np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_subclass_with_the_forward_of_its_leaf() -> None:
    x = random_array("x", (1, 3, 8, 9), np.float32)
    np.testing.assert_array_equal(fc.compile(Named(), x.shape)(x), np.maximum(x, 0))
    assert copy.deepcopy(fc.compile(Named(), x.shape))(x).shape == x.shape


@pytest.mark.parametrize(
    ("model", "shape", "options", "error", "match"),
    [
        (Doubled(), (1, 3, 8, 9), {}, ValueError, "forward is not that of ReLU"),
        (Composite(lambda m, x: m.up(x, output_size=(16, 16))), (1, 3, 8, 9), {}, ValueError, "one input"),
        (Composite(lambda m, x: m.up(x, (16, 16))), (1, 3, 8, 9), {}, ValueError, "one input"),
        (Composite(lambda m, x: m.relu(input=x)), (1, 3, 8, 9), {}, ValueError, "one input"),
        (Composite(lambda m, x: m.join(x, np.ones(3))), (1, 3, 8, 9), {}, ValueError, "an array among"),
        (Composite(lambda m, x: fc.relu(x)), (1, 3, 8, 9), {}, TypeError, "only call modules"),
        (nn.BatchNorm2d(2), (1, 64, 2, 2), {}, ValueError, "input has 64 channels"),
        (nn.MaxPool2d(2), (4, 8, 8), {}, ValueError, "MaxPool2d cannot be compiled for an input of shape"),
        (nn.AdaptiveAvgPool1d(1), (1, 4, 8, 8), {}, ValueError, "AdaptiveAvgPool1d cannot be compiled"),
        (nn.BatchNorm1d(3), (1, 3, 8, 8), {}, ValueError, "BatchNorm1d cannot be compiled"),
        (nn.ReLU(), (2**46, 64, 32, 32), {}, MemoryError, "elements"),
        (nn.ReLU(), (0, 3, 8, 8), {}, ValueError, "every size must be at least 1"),
        (nn.Conv2d(3, 4, 3), (0, 3, 8, 8), {}, ValueError, "every size must be at least 1"),
        (nn.AdaptiveAvgPool2d(0), (2, 3, 4, 4), {}, ValueError, "every size must be at least 1"),
        (nn.ReLU(), (1, 2, 2, 2, 2, 2), {}, ValueError, "input_shape"),
        (nn.Softmax(5), (1, 3, 8, 9), {}, ValueError, "out of range"),
        (nn.Flatten(1, 7), (1, 3, 8, 9), {}, ValueError, "out of range"),
        ("resnet18", (1, 3, 8, 8), {}, TypeError, "model must be a module"),
        (small(), (1, 4, 8, 9), {}, ValueError, "input has 4 channels"),
        (small(), (1, 3.5, 8, 9), {}, TypeError, "input_shape"),
        (small(), (3,), {}, ValueError, "input_shape"),
        (small(), (1, 3, 8, 9), {"dtype": "int8"}, TypeError, "dtype"),
        (small(), (1, 3, 8, 9), {"algorithm": "fft"}, ValueError, "algorithm"),
        (small(), (1, 3, 8, 9), {"algorithm": None}, TypeError, "algorithm"),
        (nn.GroupNorm(1, 4), (1, 3, 8, 9), {}, ValueError, "weight has shape"),
        (nn.GroupNorm(2, 4), (1, 3, 8, 9), {}, ValueError, "num_groups=2 must divide the 3 channels"),
        (nn.GroupNorm(3, 3), (1, 3), {}, ValueError, "more than one value a group"),
        (nn.LayerNorm(8), (1, 3, 8, 9), {}, ValueError, "last axes must be normalized_shape"),
        (nn.LayerNorm((1, 3, 8, 9)), (1, 3, 8, 9), {}, ValueError, "last axes must be normalized_shape"),
        (nn.InstanceNorm2d(3), (3, 8, 9), {}, ValueError, "InstanceNorm2d cannot be compiled for"),
        (nn.InstanceNorm1d(3), (1, 3), {}, ValueError, "InstanceNorm1d cannot be compiled for"),
        (nn.InstanceNorm2d(3), (1, 3, 1, 1), {}, ValueError, "more than one value a channel"),
        (nn.InstanceNorm2d(4, affine=True), (1, 3, 8, 9), {}, ValueError, "weight has shape"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), (1, 3, 8, 9), {}, ValueError, "padding_mode"),
        (nn.MaxPool2d(2, return_indices=True), (1, 3, 8, 9), {}, ValueError, "return_indices"),
        (nn.BatchNorm2d(3, track_running_stats=False), (1, 3, 8, 9), {}, ValueError, "running statistics"),
        (nn.Softmax(2), (1, 3, 8, 9), {}, ValueError, "Softmax"),
        (nn.Flatten(0), (1, 3, 8, 9), {}, ValueError, "Flatten"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_compiled_is_refused(
    model: Any, shape: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        fc.compile(model, shape, **options)
