"""A compiled network: packed filters, a program, one native call for each inference."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, SupportsIndex

import numpy as np

from fastconv._native import core as native
from fastconv.functional.checks import arguments, arrays, images
from fastconv.functional.checks.annotations import Array, ArrayLike, DTypeLike
from fastconv.graph import Graph
from fastconv.graph.ir import network_input
from fastconv.graph.lower import Lowering
from fastconv.graph.passes import simplify
from fastconv.graph.program import assemble
from fastconv.graph.source import Source
from fastconv.inference.report import Measured, Report, report
from fastconv.inference.trace import trace
from fastconv.nn import Module, Parameter
from fastconv.runtime import native_run

ALGORITHMS = ("auto", "direct", "winograd", "winograd_2x2", "winograd_4x4")
PROFILED_CALLS = 10
PEAK_SECONDS = 0.02


class Compiled:
    """What `compile` returns: ``y = net(x)``.

    It owns packed copies of all filters and may be called from several threads at once: each call works in
    memory of its own.

    Attributes
    ----------
    input_shape, output_shape : tuple of int
        Of the largest batch; the former in the layout that it was compiled for.
    dtype : numpy.dtype
        Of filters and output.
    input_dtype : numpy.dtype
        uint8, if it was compiled for that, or `dtype`.
    workspace_bytes : int
        What a call takes for the maps between the layers; scratch of its threads comes on top. The network
        keeps it for the next call; calls at the same time take their own from the cache of outputs.

    Examples
    --------
    >>> import fastconv as fc
    >>> from fastconv import nn
    >>> net = fc.compile(nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU()), (1, 3, 32, 32))
    >>> print(net.summary())
    step     algorithm  output         GFLOP     MB
    conv     direct     16 x 30 x 30  0.0008  0.072
    reorder             16 x 30 x 30  0.0000  0.115
    total                             0.0008  0.187
    """

    def __init__(
        self,
        graph: Graph,
        dtype: np.dtype[Any],
        algorithm: str,
        source: Source | None = None,
        given_up: Iterable[Parameter] = (),
    ) -> None:
        self.input_shape, self.output_shape = graph.input.shape, graph.output.shape
        self.dtype = self.input_dtype = dtype
        if source is not None:
            self.input_dtype = source.dtype
            self.input_shape = arrays.in_layout(self.input_shape, len(self.input_shape), source.channels_last)
        run = native_run()
        self._isa = run[0]
        simplify(graph)
        lowering = Lowering(graph, dtype, algorithm, run, source)
        self._steps = lowering.steps
        self._program, self.workspace_bytes = assemble(self._steps, self.input_shape[0], dtype.itemsize)
        # Nothing is refused from here on.
        for parameter in given_up:
            parameter.release()
        lowering.pack()

    def __call__(self, x: ArrayLike, *, out: Array | None = None) -> Array:
        """Compute the network.

        Parameters
        ----------
        x : array_like
            Of ``input_shape``, or of fewer samples.
        out : numpy.ndarray, optional
            C-contiguous array of the output's shape and dtype, apart from `x`, to be written.

        Returns
        -------
        numpy.ndarray
            Of ``output_shape``, with as many samples as `x`. It is `out`, if given.

        Raises
        ------
        TypeError, ValueError
            If `x` has another shape or more samples, or is masked, complex or not numeric, or not uint8 where
            the network takes that; or if `out` cannot be written.
        MemoryError
            If there is no memory for the output or the maps.
        """
        return self._run(x, out, None)

    def _run(self, x: ArrayLike, out: Array | None, seconds: Array | None) -> Array:
        given = arrays.as_array(x, "x")
        samples, most = self._samples(given.shape), self.input_shape[0]
        if samples > most:
            raise ValueError(f"x has {samples} samples: the network was compiled for {most} at most")
        plain = arrays.contiguous(images.of_dtype(given, self.input_dtype, "x"), self.input_dtype)
        shape = self.output_shape if samples == most else (samples, *self.output_shape[1:])
        result, target = arrays.output(out, shape, self.dtype, (given,))
        if samples:
            run = native_run()
            if run[0] != self._isa:
                run = (self._isa, *run[1:])
            self._program.run(plain, target, samples, run, seconds)
        return result

    def _samples(self, shape: tuple[int, ...]) -> int:
        if shape != self.input_shape and (not shape or shape[1:] != self.input_shape[1:]):
            raise ValueError(f"x has shape {shape}: the network takes {self.input_shape}")
        return shape[0]

    def summary(self) -> Report:
        """Return a row for each step: its output, algorithm, GFLOP and megabytes; it prints as a table."""
        return report(self._steps, self.input_shape[0], self.dtype)

    def profile(self, x: ArrayLike) -> Report:
        """Return the rows of `summary` with the median time of each step and its share of the peak.

        ``net.profile(x).in_steps`` is the part of a call that its steps take.

        The peak of multiply-adds is the highest that is measured between the calls. Winograd's algorithm,
        whose row has the arithmetic of a direct convolution, can be beyond it.
        ``net.profile(x).plot("steps.png")`` draws both.

        Parameters
        ----------
        x : array_like
            As in a call; it has a sample at least.
        """
        samples = len(self._run(x, None, None))
        if not samples:
            raise ValueError("x is an empty batch: there is nothing to measure")
        times, calls, peaks = np.zeros((PROFILED_CALLS, len(self._steps))), np.empty(PROFILED_CALLS), []
        for i, row in enumerate(times):
            peaks.append(native.measure_peak(self._isa, native_run()[1], PEAK_SECONDS)[0])
            start = time.perf_counter()
            self._run(x, None, row)
            calls[i] = time.perf_counter() - start
        peak, in_steps = max(peaks) * 4 / self.dtype.itemsize, float(np.median(times.sum(axis=1) / calls))
        measured = Measured(np.median(times, axis=0), peak, in_steps)
        return report(self._steps, samples, self.dtype, measured)

    def __reduce__(self) -> Any:
        raise TypeError("a compiled network cannot be pickled: save the model's state_dict and compile again")

    def __deepcopy__(self, memo: Any) -> Compiled:
        """Return itself: nothing of it changes."""
        return self

    def __repr__(self) -> str:
        return f"Compiled({self.input_shape} -> {self.output_shape}, {self.dtype}, {len(self._steps)} steps)"


def compile(
    model: Module,
    input_shape: Sequence[SupportsIndex],
    *,
    dtype: DTypeLike = "float32",
    algorithm: str = "auto",
    layout: str = "NCHW",
    input_dtype: DTypeLike | None = None,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    release: bool = False,
) -> Compiled:
    """Compile a network for inference: one native call, nothing reordered between its layers.

    Batch norm is folded into filters; activations, sums and branches that are joined are stored where they
    belong by the layers that compute them; maps share one block of memory. The network computes as after
    ``eval()``.

    With `layout`, `input_dtype`, `mean` or `std` the network takes images as they come from a file or a
    camera: its first step makes ``(x - mean) / std`` of them, by channel and before any padding, where its
    first layer reads.

    Parameters
    ----------
    model : fastconv.nn.Module
        Made of the modules of ``fastconv.nn``; its `Module` says what a ``forward`` may do. Later changes of
        its parameters do not reach the compiled network.
    input_shape : sequence of int
        ``(N, C, *spatial)`` or ``(N, C)``, of channels last ``(N, *spatial, C)``; calls take up to N samples.
    dtype : dtype_like, default float32
        float32 or float64: what everything is computed in.
    algorithm : str, default "auto"
        Of the convolutions, as in `conv2d`: ``"auto"``, ``"direct"``, ``"winograd"``, ``"winograd_2x2"`` or
        ``"winograd_4x4"``; where Winograd's does not do a shape, it is ``"direct"``. Convolutions of one
        channel a group have an algorithm of their own. What ``"auto"`` takes depends on N.
    layout : str, default "NCHW"
        Of the input: ``"NCHW"``, channels first, or ``"NHWC"``, channels last. The output's are first.
    input_dtype : dtype_like, optional
        uint8, and calls take nothing else; by default they take what can be converted to `dtype`.
    mean, std : array_like, optional
        What is subtracted from each channel, and what the difference is divided by: a number, or one a
        channel, finite, `std` above 0. Both are in units of the input: for bytes of 0 to 255, ImageNet's are
        255 times ``(0.485, 0.456, 0.406)`` and ``(0.229, 0.224, 0.225)``. By default 0 and 1.
    release : bool, default False
        Take the values of all its parameters away from `model` when nothing is left to be refused, and give
        up the memory of each filter when it is packed, the largest first: memory does not hold all of them
        twice. What needs a value then raises an error that says so, here and in models that share it, until
        others are loaded with ``assign=True``. Packed filters of Winograd's algorithm are 1.8 or 4 times as
        large as the parameters, but for those of small maps that would exceed 64 MB. Where memory runs out
        while filters are packed, the values are lost.

    Returns
    -------
    Compiled
        The network to call.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, or a module cannot be compiled or called with its input.

    References
    ----------
    .. [1] W. Jung et al., "Restructuring Batch Normalization to Accelerate CNN Training", SysML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import fastconv as fc
    >>> model = fc.models.lenet5()
    >>> net = fc.compile(model, (8, 1, 28, 28))
    >>> net
    Compiled((8, 1, 28, 28) -> (8, 10), float32, ... steps)
    >>> net(np.zeros((3, 1, 28, 28), np.float32)).shape
    (3, 10)

    A network for photographs:

    >>> model = fc.models.squeezenet1_1()
    >>> mean, std = 255 * np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    >>> net = fc.compile(model, (1, 224, 224, 3), layout="NHWC", input_dtype="uint8", mean=mean, std=std)
    >>> net(np.zeros((1, 224, 224, 3), np.uint8)).shape
    (1, 1000)
    """
    kind, method = np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}"), known(algorithm)
    last, shape = arguments.channels_last(layout), network_input(input_shape)
    if last:
        shape = (shape[0], shape[-1], *shape[1:-1])
    taken = images.input_dtype(input_dtype, kind)
    rule = (images.mean(mean, shape[1], kind), images.std(std, shape[1], kind))
    asked = last or taken != kind or mean is not None or std is not None
    source = Source(last, taken, *rule) if asked else None
    released = arguments.flag(release, "release")
    return Compiled(trace(model, shape), kind, method, source, model.parameters() if released else ())


def compile_graph(
    graph: Graph, *, dtype: DTypeLike = "float32", algorithm: str = "auto", source: Source | None = None
) -> Compiled:
    """Compile a graph, which is simplified in place and loses its arrays; arguments as those of `compile`."""
    return Compiled(graph, np.dtype(f"f{arguments.itemsize(dtype, 'dtype')}"), known(algorithm), source)


def known(algorithm: object) -> str:
    """Return the name of an algorithm that networks can be compiled for."""
    if not isinstance(algorithm, str):
        raise TypeError(f"algorithm must be a name, got {type(algorithm).__name__}")
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm={algorithm!r} must be one of {', '.join(ALGORITHMS)}")
    return algorithm
