"""The one list of cases of every kind of operator: tests run them all, benchmarks pick from them.

A name says what is special about a case. Sizes are small; the few cases whose names end in
``_worth_threads`` have enough work to be split over threads.
"""

from cases.adaptive_pool import ADAPTIVE_POOL_CASES, AdaptivePoolCase
from cases.conv import CONV_CASES, ConvCase
from cases.conv_transpose import TRANSPOSED_CASES, TransposedCase
from cases.data import DISTRIBUTIONS, random_array
from cases.pool import LARGE_WINDOWS, POOL_CASES, PoolCase
from cases.rearrange import PAD_CASES, UNFOLD_CASES, PadCase, UnfoldCase

__all__ = [
    "ADAPTIVE_POOL_CASES",
    "CONV_CASES",
    "DISTRIBUTIONS",
    "LARGE_WINDOWS",
    "PAD_CASES",
    "POOL_CASES",
    "TRANSPOSED_CASES",
    "UNFOLD_CASES",
    "AdaptivePoolCase",
    "ConvCase",
    "PadCase",
    "PoolCase",
    "TransposedCase",
    "UnfoldCase",
    "random_array",
]
