"""The same layers in other packages, as far as they are installed: a file each.

Whatever can be done once (models, sessions, memory formats, thread counts) is done before the timed call.
Filters stay as each package keeps them between calls: all but torch and scipy pack them with the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from fastconv.benchmark.contenders import Operands
from fastconv.benchmark.interleave import Contender
from fastconv.benchmark.layers import Layer
from peers import mnn, ncnn, onnxruntime, openvino, scipy, torch

PEERS = (
    torch.PLAIN,
    torch.CHANNELS_LAST,
    onnxruntime.PEER,
    openvino.PEER,
    ncnn.PEER,
    mnn.PEER,
    mnn.SMALL,
    scipy.PEER,
)
NETWORK_PEERS = (
    torch.PLAIN,
    torch.CHANNELS_LAST,
    torch.FROZEN,
    onnxruntime.PEER,
    openvino.PEER,
    ncnn.NETWORKS,
    mnn.PEER,
    mnn.SMALL,
)
INSTALLED = [peer.name for peer in PEERS if peer.installed]


@contextmanager
def peers_ready(threads: int) -> Iterator[None]:
    """Prepare the process for the calls of the installed peers."""
    with ExitStack() as stack:
        for ready in {peer.ready for peer in (*PEERS, *NETWORK_PEERS) if peer.installed}:
            stack.enter_context(ready(threads))
        yield


def peer_contenders(layer: Layer, data: Operands, threads: int, part: str = "") -> list[Contender]:
    """Return the installed packages that compute the layer and whose name contains ``part``."""
    wanted = (peer for peer in PEERS if part in peer.name and peer.installed)
    contenders = (peer.contender(layer, data, threads) for peer in wanted)
    return [contender for contender in contenders if contender is not None]
