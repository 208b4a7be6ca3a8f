"""Modules without PyTorch: registration, names, modes, copies, threads, and what they refuse."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from cases import random_array
from cases.modules import MODULE_CASES, ModuleCase

import fastconv as fc
from fastconv import nn

DTYPES = [np.float32, np.float64]


class Block(nn.Module):
    """A composite with everything a composite may do."""

    def __init__(self, rng: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, rng=rng)
        self.norm = nn.BatchNorm2d(4)
        self.join = nn.Concat()
        self.scale = nn.Parameter(np.ones(3))

    def forward(self, x: Any) -> Any:
        return self.join(x, self.norm(self.conv(x)) + x)


class Symbol:
    """A value that knows what made it."""

    def __init__(self, made_by: str, *inputs: Symbol) -> None:
        self.made_by = made_by
        self.inputs = inputs

    def __add__(self, other: Symbol) -> Symbol:
        return Symbol("+", self, other)

    def call_module(self, module: nn.Module, inputs: tuple[Symbol, ...], options: Any) -> Any:
        """Go into composites, and stand for the output of everything else."""
        composite = isinstance(module, (nn.Sequential, nn.Residual, Block))
        if composite or (isinstance(module, nn.Concat) and len(module)):
            return NotImplemented
        return Symbol(type(module).__name__, *inputs)

    def __str__(self) -> str:
        return f"{self.made_by}({', '.join(map(str, self.inputs))})"


def output_of(module: nn.Module, x: Any) -> list[Any]:
    """Return the output's arrays."""
    y = module(x)
    return list(y) if isinstance(y, tuple) else [y]


@pytest.mark.parametrize("dtype", DTYPES)
def test_convolution_calls_the_function(dtype: Any) -> None:
    x = random_array("x", (2, 4, 6, 7), dtype)
    conv = nn.Conv2d(4, 6, (3, 2), 2, ((1, 0), (2, 1)), groups=2, dtype=dtype, rng=1)
    assert conv.bias is not None
    expected = fc.conv2d(x, conv.weight.data, conv.bias.data, 2, ((1, 0), (2, 1)), groups=2)
    np.testing.assert_array_equal(conv(x), expected)
    assert conv(x).dtype == dtype
    assert "padding=((1, 0), (2, 1))" in repr(conv)


def test_padding_mode_pads_by_pad() -> None:
    x = random_array("x", (1, 4, 6, 7), np.float32)
    conv = nn.Conv2d(4, 6, 3, padding=((1, 0), (2, 1)), padding_mode="reflect", bias=False)
    expected = fc.conv2d(fc.pad(x, (2, 1, 1, 0), "reflect"), conv.weight.data)
    np.testing.assert_array_equal(conv(x), expected)


def test_seed_fixes_the_initial_values() -> None:
    for make in (
        lambda rng: nn.Conv1d(2, 3, 3, rng=rng),
        lambda rng: nn.ConvTranspose3d(2, 3, 2, rng=rng),
        lambda rng: nn.Linear(4, 5, rng=rng),
    ):
        first, second, other = (make(seed).state_dict() for seed in (3, np.random.default_rng(3), 4))
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
            assert (first[name] != other[name]).any()
    assert (nn.Linear(4, 5).weight.data != nn.Linear(4, 5).weight.data).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("draw", [nn.init.uniform_, nn.init.normal_])
def test_draws_follow_the_axes_wherever_the_values_lie(draw: Any, dtype: Any) -> None:
    in_order = draw(nn.Parameter(np.zeros((5, 6), dtype)), 1.0, 3.0, rng=7).data
    turned = nn.Parameter(np.zeros((6, 5), dtype).T)
    every_second = nn.Parameter(np.zeros((5, 12), dtype)[:, ::2])
    for parameter in (turned, every_second):
        np.testing.assert_array_equal(draw(parameter, 1.0, 3.0, rng=7).data, in_order)
    assert len(np.unique(in_order)) == in_order.size


def test_attributes_are_registered() -> None:
    block = Block()
    names = ["scale", "conv.weight", "conv.bias", "norm.weight", "norm.bias"]
    assert [name for name, _ in block.named_parameters()] == names
    assert [name for name, _ in block.named_parameters("top", recurse=False)] == ["top.scale"]
    assert [name for name, _ in block.named_modules()] == ["", "conv", "norm", "join"]
    assert list(block.children()) == [block.conv, block.norm, block.join]
    assert [name for name, _ in block.named_buffers()] == [
        f"norm.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    ]
    assert block.get_submodule("conv") is block.conv
    assert "scale" in dir(block) and "conv" in dir(block)


def test_assignment_replaces_and_deletion_forgets() -> None:
    block: Any = Block()
    block.conv = nn.Identity()
    block.scale = None
    assert [name for name, _ in block.named_parameters()] == ["norm.weight", "norm.bias"]
    block.norm = None
    assert list(block.state_dict()) == []
    del block.conv
    assert not hasattr(block, "conv")
    block.plain = 3
    block.plain = nn.Parameter(np.ones(2))
    assert list(block.state_dict()) == ["plain"]
    with pytest.raises(AttributeError, match="missing"):
        block.missing  # noqa: B018


def test_shared_module_is_found_once_and_saved_under_both_names() -> None:
    linear = nn.Linear(3, 3)
    net = nn.Sequential(linear, linear)
    assert len(list(net.parameters())) == 2
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


@pytest.mark.parametrize(
    ("assign", "kind", "said"),
    [
        (lambda m: setattr(m, "conv", 3), TypeError, "module 'conv' must be of type Module or None, got int"),
        (lambda m: setattr(m, "scale", np.ones(3)), TypeError, "'scale' must be of type Parameter or None"),
        (lambda m: setattr(m.norm, "running_mean", [0.0]), TypeError, "must be of type ndarray or None"),
        (lambda m: m.register_parameter("a.b", None), ValueError, "name='a.b' of a parameter"),
        (lambda m: m.register_module("", None), ValueError, "name='' of a module"),
        (lambda m: m.add_module(3, None), TypeError, "name of a module must be a string, got int"),
        (lambda m: m.register_buffer("forward", None), ValueError, "name='forward' of a buffer is taken"),
        (lambda m: m.register_buffer("x", np.array("a")), TypeError, "buffer 'x' has dtype"),
        (lambda m: m.get_submodule("conv.x"), AttributeError, "has no child 'x' of 'conv.x'"),
        (lambda m: m.train("yes"), TypeError, "mode must be True or False, got 'yes'"),
        (lambda m: m.to("float16"), TypeError, "dtype='float16' must be float32 or float64"),
        (lambda m: nn.Parameter(1j), TypeError, "data has dtype complex128"),
        (lambda m: nn.Parameter(1.0, m), TypeError, "requires_grad must be True or False"),
        (lambda m: nn.Module()(1), NotImplementedError, "Module has no forward"),
    ],
)
def test_wrong_registration(assign: Callable[[Any], Any], kind: type[Exception], said: str) -> None:
    block = Block()
    before = list(block.state_dict())
    with pytest.raises(kind, match=said):
        assign(block)
    assert list(block.state_dict()) == before


def test_module_without_init_says_so() -> None:
    class Hasty(nn.Module):
        def __init__(self) -> None:
            self.conv = nn.Identity()

    with pytest.raises(AttributeError, match=r"cannot assign 'conv' before Module.__init__"):
        Hasty()


def test_modes_reach_all_modules() -> None:
    net = nn.Sequential(Block(), nn.Dropout())
    assert all(not module.training for module in net.eval().modules())
    assert all(module.training for module in net.train().modules())


def test_parameter_is_an_array_to_numpy_and_to_functions() -> None:
    parameter = nn.Parameter(np.array([[1, 2], [3, 4]], np.float16))
    assert parameter.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(parameter), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(fc.linear([1.0, 1.0], parameter), [3, 7])
    read_only = np.broadcast_to(np.float64(1.0), (2, 2))
    assert nn.Parameter(read_only).data.flags.writeable
    own = np.ones(3)
    shared = nn.Parameter(own)
    assert np.shares_memory(shared.data, own)
    assert np.asarray(shared) is shared.data
    assert np.asarray(nn.Parameter(own), np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(nn.Parameter(own)), own)
    with pytest.raises(ValueError, match="without a copy"):
        nn.Parameter(own).__array__(np.float32, copy=False)


def test_conversion_of_types() -> None:
    block = Block().double()
    assert {str(array.dtype) for array in block.state_dict().values()} == {"float64", "int64"}
    assert {str(array.dtype) for array in block.float().state_dict().values()} == {"float32", "int64"}


def test_gradients_are_forgotten() -> None:
    block = Block()
    for parameter in block.parameters():
        parameter.grad = parameter.data
    block.zero_grad()
    assert all(parameter.grad is None for parameter in block.parameters())
    assert all(not parameter.requires_grad for parameter in block.requires_grad_(False).parameters())


@pytest.mark.parametrize("case", MODULE_CASES, ids=str)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_copies_compute_the_same_and_are_apart(case: ModuleCase, copied: Any) -> None:
    module = case.make(nn)
    twin = copied(module)
    x = random_array(str(case), case.input, np.float32)
    for _ in range(2):
        for a, b in zip(output_of(module, x), output_of(twin, x), strict=True):
            np.testing.assert_array_equal(a, b)
    for (name, array), other in zip(module.state_dict().items(), twin.state_dict().values(), strict=True):
        assert not np.shares_memory(array, other), name
    assert repr(module) == repr(twin)


@pytest.mark.parametrize("case", MODULE_CASES, ids=str)
def test_evaluation_changes_nothing(case: ModuleCase) -> None:
    module = case.make(nn).eval()
    before = copy.deepcopy(module.state_dict())
    attributes = dict(vars(module))
    x = random_array(str(case), case.input, np.float32)
    kept = x.copy()
    module(x)
    np.testing.assert_array_equal(x, kept)
    assert vars(module) == attributes
    for name, array in module.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_threads_share_a_module_in_evaluation() -> None:
    net = nn.Sequential(
        Block(), nn.Conv2d(8, 4, 3), nn.ReLU(), nn.GroupNorm(2, 4), nn.Flatten(), nn.Dropout()
    ).eval()
    inputs = [random_array(f"thread {i}", (2, 4, 16, 16), np.float32) for i in range(8)]
    expected = [net(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for y, z in zip(pool.map(net, inputs), expected, strict=True):
                np.testing.assert_array_equal(y, z)


def test_symbolic_value_goes_through_composites() -> None:
    net = nn.Sequential(Block(), nn.Residual(nn.ReLU(), nn.Tanh()), nn.Concat(nn.Identity(), nn.Sigmoid()))

    class JoinSymbol(Symbol):
        pass

    x = JoinSymbol("x")
    block = str(net[0](x))
    assert block == "Concat(x(), +(BatchNorm2d(Conv2d(x())), x()))"
    assert str(net[:2](x)) == f"+(ReLU({block}), Tanh({block}))"


def test_batch_norm_counts_a_batch_only_when_it_succeeds() -> None:
    norm: Any = nn.BatchNorm1d(2, momentum=None)
    with pytest.raises(ValueError, match="more than one value"):
        norm(np.ones((1, 2)))
    assert int(norm.num_batches_tracked) == 0
    for batch in (1.0, 3.0, 8.0):
        norm(np.array([[batch - 1, 0], [batch + 1, 0]]))
    np.testing.assert_allclose(norm.running_mean, [4, 0])
    assert int(norm.num_batches_tracked) == 3
    norm.reset_running_stats()
    np.testing.assert_array_equal(norm.running_mean, [0, 0])
    assert int(norm.num_batches_tracked) == 0


def test_dropout_keeps_the_mean_and_follows_its_seed() -> None:
    x = np.ones((200, 200), np.float32)
    first = nn.Dropout(0.25, rng=5)
    y = first(x)
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs(y.mean() - 1) < 0.02
    assert (first(x) != y).any()
    np.testing.assert_array_equal(nn.Dropout(0.25, rng=5)(x), y)
    np.testing.assert_array_equal(nn.Dropout(1.0)(x), 0 * x)
    np.testing.assert_array_equal(nn.Dropout(0.0)(x), x)
    np.testing.assert_array_equal(nn.Dropout(0.9).eval()(x), x)


def test_residual_and_concat() -> None:
    x = random_array("x", (2, 3, 4, 4), np.float32)
    np.testing.assert_array_equal(nn.Residual(nn.ReLU())(x), fc.relu(x) + x)
    np.testing.assert_array_equal(nn.Residual(nn.ReLU(), nn.Tanh())(x), fc.relu(x) + fc.tanh(x))
    both = nn.Concat({"left": nn.ReLU(), "right": nn.Tanh()})
    np.testing.assert_array_equal(both(x), np.concatenate([fc.relu(x), fc.tanh(x)], 1))
    assert repr(both) == "Concat(\n  (left): ReLU()\n  (right): Tanh()\n)"
    np.testing.assert_array_equal(nn.Concat(dim=0)(x[0], x[1]), np.concatenate([x[0], x[1]]))
    np.testing.assert_array_equal(nn.Concat(dim=-1)(x, x, x), np.concatenate([x, x, x], -1))
    assert repr(nn.Concat(dim=0)) == "Concat(dim=0)"


def test_sequential_is_a_list_of_modules() -> None:
    net = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Sigmoid())
    assert len(net) == 3 and net[-1] is list(net)[2]
    assert repr(net[1:]) == "Sequential(\n  (1): Tanh()\n  (2): Sigmoid()\n)"
    del net[0]
    net[1] = nn.Identity()
    assert repr(net.append(nn.ReLU6())) == "Sequential(\n  (0): Tanh()\n  (1): Identity()\n  (2): ReLU6()\n)"
    with pytest.raises(IndexError, match="index 3 is out of range: there are 3 modules"):
        net[3]
    assert list(nn.Sequential({"a": nn.Linear(1, 1)}).state_dict()) == ["a.weight", "a.bias"]
