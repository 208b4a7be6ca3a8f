"""Networks in other packages: the ONNX model and PyTorch's module of a graph mean what the graph means."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graph_oracle
import network_footprint
import numpy as np
import pytest
from cases import random_array
from network_race import MORE_TOLERANT, Setting, run
from peers import NETWORK_PEERS, peers_ready
from peers.network import Network
from peers.onnx_network import network_model
from peers.peer import Peer

from fastconv import models, nn
from fastconv.benchmark.results import SUBJECT, Budget
from fastconv.graph import Graph
from fastconv.inference.trace import trace

Array = np.ndarray[Any, Any]
CLOSE = 1e-5  # of the largest value, in float32

# Each takes (2, 6, 13, 14).
SMALL: dict[str, Callable[[], nn.Module]] = {
    "strided": lambda: nn.Conv2d(6, 8, 3, (2, 1), (1, 2)),
    "dilated_and_grouped": lambda: nn.Conv2d(6, 9, (3, 2), dilation=(2, 3), groups=3, bias=False),
    "uneven_padding": lambda: nn.Conv2d(6, 4, 4, padding="same"),
    "stride_over_nothing": lambda: nn.Conv2d(6, 4, (10, 3), (5, 2)),
    "transposed": lambda: nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=(1, 0), groups=2),
    "batch_norm": lambda: nn.Sequential(nn.Conv2d(6, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
    "batch_norm_without_weight": lambda: nn.BatchNorm2d(6, affine=False),
    "max_pool": lambda: nn.MaxPool2d(3, 2, 1),
    "max_pool_rounded_up": lambda: nn.MaxPool2d(3, 2, ceil_mode=True),
    "dilated_max_pool": lambda: nn.MaxPool2d((2, 3), 1, dilation=2),
    "avg_pool": lambda: nn.AvgPool2d(3, 2, 1),
    "avg_pool_without_padding": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
    "global_average": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    "adaptive_average": lambda: nn.AdaptiveAvgPool2d((13, 14)),
    "residual": lambda: nn.Residual(nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU())),
    "concat": lambda: nn.Concat(nn.Identity(), nn.Conv2d(6, 3, 1), nn.Sigmoid()),
    "activations": lambda: nn.Sequential(
        nn.ReLU6(), nn.LeakyReLU(0.2), nn.Tanh(), nn.SiLU(), nn.Hardswish(), nn.Sigmoid(), nn.Softmax(1)
    ),
}
NAMES = [peer.name for peer in NETWORK_PEERS]


def small_graph(name: str) -> tuple[Graph, Array, Any]:
    """Trace a small network; return also an input and what the graph means."""
    x = random_array(name, (2, 6, 13, 14), np.float32)
    graph = trace(settled(SMALL[name]()), x.shape)
    return graph, x, graph_oracle.evaluate(graph, x)


def settled(model: nn.Module) -> nn.Module:
    """Give batch norms numbers that show."""
    for name, array in model.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            array[...] = 0.5 + np.abs(random_array(name, array.shape, array.dtype))
    return model.eval()


def require_close(actual: Any, expected: Any) -> None:
    """Compare shapes and values."""
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= CLOSE * np.abs(expected).max()


@pytest.mark.parametrize("name", SMALL)
def test_onnx_model(name: str) -> None:
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    graph, x, expected = small_graph(name)
    model = network_model(graph, name)
    onnx.checker.check_model(model, full_check=True)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (x, x[:1]):
        (y,) = session.run(None, {"x": batch})
        require_close(y, expected[: len(batch)])


@pytest.mark.parametrize("name", SMALL)
def test_torch_module(name: str) -> None:
    torch = pytest.importorskip("torch")
    from peers.torch_network import network_module

    graph, x, expected = small_graph(name)
    module, given = network_module(graph), torch.from_numpy(x.copy())
    for memory_format in (torch.contiguous_format, torch.channels_last):
        with torch.inference_mode():
            y = module.to(memory_format=memory_format)(given.to(memory_format=memory_format))
        require_close(y.numpy(), expected)
    np.testing.assert_array_equal(given.numpy(), x)


def test_what_others_have_not() -> None:
    pytest.importorskip("onnx")
    for module, said in (
        (nn.AdaptiveAvgPool2d(5), "no adaptive pooling"),
        (nn.AvgPool2d(2, divisor_override=3), "divisor"),
    ):
        with pytest.raises(ValueError, match=said):
            network_model(trace(module, (1, 6, 13, 14)), "net")


def tiny_network(folder: Path, name: str = "tiny") -> Network:
    """Make a network with whatever the large ones are made of, on 32 pixels."""

    def make(seed: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU6(),
            nn.Residual(nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())),
            nn.Concat(nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 1)),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(32, 10),
        )

    return Network(name, make, (3, 32, 32), folder)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("peer", NETWORK_PEERS, ids=NAMES)
def test_peers_load_a_network(peer: Peer, batch: int, threads: int, tmp_path: Path) -> None:
    if not peer.installed:
        pytest.skip(f"{peer.name} is not installed")
    network = tiny_network(tmp_path)
    network.write()
    if peer.convert is not None:
        peer.convert(network)
    x = network.images(batch)
    expected = network.model()(x)
    load: Any = peer.network
    with peers_ready(threads):
        call = load(network, batch, threads)(x)
        for _ in range(3):  # nothing that a call leaves behind may change the next one
            y = peer.view(call()).reshape(expected.shape)
            assert np.abs(y - expected).max() <= MORE_TOLERANT * peer.tolerance * np.abs(expected).max()


def test_weights_are_written_once_and_not_trivial(tmp_path: Path) -> None:
    network = tiny_network(tmp_path)
    network.write()
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    network.write()
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written
    state = network.model().state_dict()
    assert np.abs(state["1.running_mean"]).min() > 0
    assert np.abs(state["1.running_var"] - 1).min() > 0
    y = network.model()(network.images(8))
    assert 1e-3 < y.std() < 1e3


def failing(message: str) -> Callable[..., Any]:
    """Return what cannot load anything."""

    def load(*arguments: Any) -> Any:
        raise RuntimeError(message)

    return load


def test_race_names_who_failed(tmp_path: Path) -> None:
    network = tiny_network(tmp_path, "net")
    network.write()
    wrong = Peer("wrong", (), {}, network=lambda *_: lambda x: lambda: np.zeros((2, 10)))
    flat = Peer("flat", (), {}, network=lambda *_: lambda x: lambda: np.zeros(7))
    broken = Peer("broken", (), {}, network=failing("no such file\nand more"))
    same = Peer("same", (), {}, network=lambda *_: lambda x: lambda: network.model()(x))
    result = run(network, Setting("net", 2, 1), [wrong, flat, broken, same], Budget(1, 0))
    assert list(result.race.seconds) == [SUBJECT, "same"]
    assert set(result.failures) == {"wrong", "flat", "broken"}
    assert result.failures["broken"] == "RuntimeError: no such file"
    assert "differs by" in result.failures["wrong"]
    assert "shape (7,)" in result.failures["flat"]
    assert result.differences["same"] < CLOSE
    assert result.in_steps > 0
    assert result.gflop > 0


def test_peak_memory_grows() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux")
    # In a process of its own, which has not let go of more than it takes now.
    lines = (
        "import numpy as np", "from network_footprint import peak_memory", "before = peak_memory()",
        "array = np.ones(16 << 20, np.float32)", "print(peak_memory() - before, array.nbytes)",
    )  # fmt: skip
    bench = Path(network_footprint.__file__).parent
    grown, taken = map(
        int, subprocess.check_output([sys.executable, "-c", "\n".join(lines)], cwd=bench).split()
    )
    assert grown >= taken // 2


def test_networks_of_all_models() -> None:
    from peers.network import NAMES, known_network

    assert set(NAMES) == set(models.__all__)
    assert known_network("unet", Path()).shape(2) == (2, 1, 256, 256)
    assert known_network("resnet18", Path()).shape(8) == (8, 3, 224, 224)
