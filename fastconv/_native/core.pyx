# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The binding: arrays to views, tuples to structs, the GIL released around one call, a status to an exception."""

from cpython.buffer cimport (
    Py_buffer, PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t

from fastconv._native.fastconv cimport *

ISA_NAMES = tuple(fc_isa_name(i).decode() for i in range(FC_ISAS) if fc_kernels_for(i, 4) is not NULL)
MOST_TILE_PHASES = FC_MOST_TILE_PHASES
ALGORITHMS = tuple(fc_algorithm_name(i).decode() for i in range(FC_ALGORITHMS))
ACTIVATIONS = ("none", "relu", "clip", "leaky_relu", "silu", "hardswish", "sigmoid", "tanh")

include "runtime.pxi"
include "arrays.pxi"
include "conv.pxi"
include "pool.pxi"
include "norm.pxi"
include "activation.pxi"
include "rearrange.pxi"
include "program.pxi"
