"""What the package should compute, in float64 NumPy, sharing no code with it.

Arrays are channels first, ``(N, C, *spatial)``, with one to three spatial axes. Everything is
written for being read beside the formula; speed only matters as far as the tests stay short.
"""

from oracle.adaptive import adaptive_avg_pool, adaptive_max_pool
from oracle.elementwise import activation, log_softmax, softmax
from oracle.norm import (
    batch_norm,
    batch_statistics,
    channel_vector,
    group_norm,
    group_statistics,
    layer_norm,
    linear,
)
from oracle.rearrange import fold, max_unpool, pad, unfold
from oracle.window import (
    avg_pool,
    conv,
    conv_transpose,
    max_pool,
    padding_pairs,
    per_axis,
    pooled_size,
    pooling_windows,
    same_padding,
    windows,
    windows_of_padded,
)
from oracle.winograd import (
    WINOGRAD_POINTS,
    phases_fit_winograd,
    winograd_conv,
    winograd_magnitude,
    winograd_matrices,
    winograd_transposed_magnitude,
)

__all__ = [
    "WINOGRAD_POINTS",
    "activation",
    "adaptive_avg_pool",
    "adaptive_max_pool",
    "avg_pool",
    "batch_norm",
    "batch_statistics",
    "channel_vector",
    "conv",
    "conv_transpose",
    "fold",
    "group_norm",
    "group_statistics",
    "layer_norm",
    "linear",
    "log_softmax",
    "max_pool",
    "max_unpool",
    "pad",
    "padding_pairs",
    "per_axis",
    "phases_fit_winograd",
    "pooled_size",
    "pooling_windows",
    "same_padding",
    "softmax",
    "unfold",
    "windows",
    "windows_of_padded",
    "winograd_conv",
    "winograd_magnitude",
    "winograd_matrices",
    "winograd_transposed_magnitude",
]
