"""The one list of convolution and pooling cases: tests run them all, benchmarks pick from them.

A name says what is special about a case. Sizes are small; the few cases whose names end in
``_worth_threads`` have enough work to be split over threads.
"""

from cases.adaptive_pool import ADAPTIVE_POOL_CASES, AdaptivePoolCase
from cases.conv import CONV_CASES, ConvCase
from cases.data import random_array
from cases.pool import POOL_CASES, PoolCase

__all__ = [
    "ADAPTIVE_POOL_CASES",
    "CONV_CASES",
    "POOL_CASES",
    "AdaptivePoolCase",
    "ConvCase",
    "PoolCase",
    "random_array",
]
