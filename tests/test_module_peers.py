"""Every module against PyTorch's: representation, names and shapes of the state, results, statistics."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from cases import random_array
from cases.modules import MODULE_CASES, ModuleCase

from fastconv import nn

torch = pytest.importorskip("torch")

# Sums of at most a few hundred products in float64.
CLOSE: Any = {"rtol": 1e-10, "atol": 1e-10}
DRAWN = ("Linear", "Conv2d", "ConvTranspose2d")
SIZE = re.compile(r"torch\.Size\(\[([\d, ]+)\]\)")


def pair(case: ModuleCase) -> tuple[Any, Any]:
    """Make the module here and in PyTorch, in float64, with the same random state."""
    theirs, ours = case.make(torch.nn).double(), case.make(nn).double()
    for name, value in theirs.state_dict().items():
        if value.ndim:
            value.copy_(torch.from_numpy(np.abs(random_array(name, tuple(value.shape), np.float64))))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def arrays(output: Any) -> list[Any]:
    """Return the arrays of one output or of a tuple of them."""
    parts = output if isinstance(output, tuple) else (output,)
    return [part.detach().numpy() if hasattr(part, "detach") else part for part in parts]


@pytest.mark.parametrize("case", MODULE_CASES, ids=str)
def test_representation(case: ModuleCase) -> None:
    assert repr(case.make(nn)) == repr(case.make(torch.nn))


@pytest.mark.parametrize("case", MODULE_CASES, ids=str)
def test_state(case: ModuleCase) -> None:
    ours, theirs = case.make(nn).state_dict(), case.make(torch.nn).state_dict()
    assert [(name, array.shape, str(array.dtype)) for name, array in ours.items()] == [
        (name, tuple(value.shape), str(value.numpy().dtype)) for name, value in theirs.items()
    ]


@pytest.mark.parametrize("case", MODULE_CASES, ids=str)
def test_attributes(case: ModuleCase) -> None:
    ours, theirs = case.make(nn), case.make(torch.nn)
    for name, value in vars(theirs).items():
        if not name.startswith("_") and isinstance(value, (bool, int, float, str, tuple, list, type(None))):
            assert getattr(ours, name) == value, name
            assert type(getattr(ours, name)) is type(value), name


@pytest.mark.parametrize("case", MODULE_CASES, ids=str)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_result(case: ModuleCase, training: bool) -> None:
    if training and case.kind == "Dropout":
        pytest.skip("draws")
    ours, theirs = pair(case)
    for mode in (training, False):
        ours.train(mode)
        theirs.train(mode)
        for step in range(2):
            x = random_array(f"{case} {step}", case.input, np.float64)
            expected = theirs(torch.from_numpy(x.copy()))
            for mine, other in zip(arrays(ours(x)), arrays(expected), strict=True):
                assert mine.shape == other.shape
                np.testing.assert_allclose(mine, other, **CLOSE)
        for name, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), **CLOSE, err_msg=name)


@pytest.mark.parametrize("size", [(11, 13), (12, 14), (2, 6, 12, 13)], ids=str)
def test_output_size_of_transposed_convolution(size: tuple[int, ...]) -> None:
    case = ModuleCase("", "ConvTranspose2d", (4, 6, 3, 2, 1))
    ours, theirs = pair(case)
    x = random_array("transposed", case.input, np.float64)
    expected = theirs(torch.from_numpy(x), output_size=list(size)).detach().numpy()
    np.testing.assert_allclose(ours(x, output_size=size), expected, **CLOSE)


@pytest.mark.parametrize("shape", [(), (3,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (2, 3, 2, 3, 2)], ids=str)
@pytest.mark.filterwarnings("ignore:Implicit dimension")
def test_axis_of_softmax(shape: tuple[int, ...]) -> None:
    x = random_array("softmax", shape, np.float64)
    expected = torch.nn.Softmax()(torch.from_numpy(np.asarray(x))).numpy()
    np.testing.assert_allclose(nn.Softmax()(x), expected, **CLOSE)


def test_nested_representation() -> None:
    def make(package: Any) -> Any:
        inner = package.Sequential(package.Conv2d(4, 4, 1), package.Sequential())
        return package.Sequential(inner, package.ReLU(True), package.Sequential(package.Flatten()))

    assert repr(make(nn)) == repr(make(torch.nn))
    assert [name for name, _ in make(nn).named_modules()] == [n for n, _ in make(torch.nn).named_modules()]


@pytest.mark.parametrize("case", [c for c in MODULE_CASES if c.kind in DRAWN], ids=str)
def test_initial_range(case: ModuleCase) -> None:
    """The largest of many draws comes close to the bound, in both packages."""
    ours, theirs = case.make(nn), case.make(torch.nn)
    for name, value in theirs.named_parameters():
        drawn = [np.abs(dict(case.make(nn).named_parameters())[name].data).max() for _ in range(50)]
        expected = [float(case.make(torch.nn).get_parameter(name).detach().abs().max()) for _ in range(50)]
        assert max(drawn) == pytest.approx(max(expected), rel=0.1)
        assert dict(ours.named_parameters())[name].shape == tuple(value.shape)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("0.weight"),
        lambda state: state.pop("1.num_batches_tracked"),
        lambda state: state.update(other=np.zeros(3)),
        lambda state: state.update({"0.bias": np.zeros(3)}),
        lambda state: state.update({"0.bias": np.zeros(3), "2.x": np.zeros(1), "1.bias": np.ones((2, 1))}),
        lambda state: state.update({"1.num_batches_tracked": np.ones(1)}),
    ],
    ids=["missing", "missing_count", "unexpected", "shape", "several", "count_with_an_axis"],
)
def test_errors_of_load_state_dict(change: Any, strict: bool) -> None:
    def make(package: Any) -> Any:
        return package.Sequential(package.Conv2d(1, 2, 1), package.BatchNorm2d(2))

    state = dict(make(nn).state_dict())
    change(state)
    try:
        expected = make(torch.nn).load_state_dict(
            {name: torch.from_numpy(np.asarray(value)) for name, value in state.items()}, strict
        )
    except RuntimeError as error:
        with pytest.raises(ValueError) as info:
            make(nn).load_state_dict(state, strict)
        assert str(info.value) == SIZE.sub(
            lambda found: str(tuple(map(int, found[1].split(",")))), str(error)
        )
    else:
        result = make(nn).load_state_dict(state, strict)
        assert result == tuple(expected)


@pytest.mark.parametrize(
    "make",
    [
        lambda package: package.Conv2d(3, 4, 1, groups=2),
        lambda package: package.Conv2d(4, 3, 1, groups=2),
        lambda package: package.Conv2d(4, 4, 1, groups=0),
        lambda package: package.Conv2d(4, 4, 1, 2, "same"),
        lambda package: package.Conv2d(4, 4, 1, padding="full"),
        lambda package: package.Conv2d(4, 4, 1, padding_mode="mirror"),
        lambda package: package.ConvTranspose2d(4, 4, 1, padding_mode="reflect"),
        lambda package: package.GroupNorm(3, 4),
        lambda package: package.Dropout(1.5),
        lambda package: package.Dropout(-0.5),
    ],
)
def test_constructors_refuse_what_pytorch_refuses(make: Any) -> None:
    with pytest.raises(ValueError):
        make(torch.nn)
    with pytest.raises(ValueError):
        make(nn)
