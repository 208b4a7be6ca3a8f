# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, embedsignature=False
"""The binding: arrays to views, tuples to structs, the GIL released around one call, a status to an exception."""

from cpython.buffer cimport (
    Py_buffer, PyBUF_FULL_RO, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from fastconv._native.fastconv cimport *

ISA_NAMES = tuple(fc_isa_name(i).decode() for i in range(FC_ISAS) if fc_kernels_for(i, 4) is not NULL)
ALGORITHMS = tuple(fc_algorithm_name(i).decode() for i in range(FC_ALGORITHMS))
ACTIVATIONS = ("none", "relu", "clip", "leaky_relu", "silu", "hardswish", "sigmoid", "tanh")

# What a signal handler raised while a kernel ran. Handlers run on the main thread alone, so one place is enough.
cdef object raised = None


cdef int interrupted() noexcept with gil:
    global raised
    try:
        PyErr_CheckSignals()
    except BaseException as error:
        raised = error
        return 1
    return 0


cdef int check(fc_status status) except -1:
    global raised
    if status == FC_OK:
        return 0
    if status == FC_INTERRUPTED:
        error, raised = raised, None
        raise error
    if status == FC_NO_MEMORY:
        raise MemoryError(
            "not enough memory for the workspace, whose size follows from the shapes, padding, stride and dilation"
        )
    raise ValueError("the algorithm cannot do this shape")


cdef class Block:
    """Aligned memory from the cache."""

    cdef fc_block block
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t nbytes):
        self.block = fc_block_acquire(nbytes)
        if self.block.data is NULL:
            raise MemoryError(f"cannot allocate {nbytes} bytes")
        self.size = nbytes

    def __dealloc__(self):
        fc_block_release(self.block)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.block.data, self.size, 0, flags)

    def __releasebuffer__(self, Py_buffer *buffer):
        pass


# --------------------------------------------------------------------------------------------- arrays and tuples

# Sizes and strides of an array (N, C, *spatial), its spatial axes moved to the end of three.
ctypedef struct Map:
    fc_view view
    int64_t batch, channels
    int64_t[3] size
    int item_bytes, axes


cdef int describe(object array, Map *map) except -1:
    """Read the array's buffer; the caller's reference keeps the memory alive."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_FULL_RO)
    cdef int axes = buffer.ndim - 2, i
    map.view.data = buffer.buf
    map.item_bytes = <int>buffer.itemsize
    map.axes = axes
    if axes < 1 or axes > 3:
        PyBuffer_Release(&buffer)
        raise ValueError(f"expected 1 to 3 spatial axes, got {axes}")
    map.batch = buffer.shape[0]
    map.channels = buffer.shape[1]
    map.view.stride[0] = buffer.strides[0]
    map.view.stride[1] = buffer.strides[1]
    for i in range(3 - axes):
        map.size[i] = 1
        map.view.stride[2 + i] = 0
    for i in range(axes):
        map.size[3 - axes + i] = buffer.shape[2 + i]
        map.view.stride[5 - axes + i] = buffer.strides[2 + i]
    PyBuffer_Release(&buffer)
    return 0


cdef void *data_of(object array) except? NULL:
    """The address of an array's first item, or NULL for None."""
    cdef Py_buffer buffer
    if array is None:
        return NULL
    PyObject_GetBuffer(array, &buffer, PyBUF_FULL_RO)
    cdef void *data = buffer.buf
    PyBuffer_Release(&buffer)
    return data


cdef int read_window(tuple window, int axes, fc_window *w) except -1:
    """Fill all but the sizes; axes that are not there slide a one-wide kernel over one position."""
    cdef tuple kernel = window[0], stride = window[1], padding = window[2], dilation = window[3]
    cdef int i, to
    for i in range(3 - axes):
        w.kernel[i] = w.stride[i] = w.dilation[i] = 1
        w.pad[i] = 0
    for i in range(axes):
        to = 3 - axes + i
        w.kernel[to] = kernel[i]
        w.stride[to] = stride[i]
        w.dilation[to] = dilation[i]
        w.pad[to] = padding[2 * i]
    return 0


cdef int read_run(tuple run, fc_run *r) except -1:
    r.isa = run[0]
    r.team.threads = run[1]
    r.team.interrupted = interrupted
    return 0


cdef int read_epilogue(tuple epilogue, fc_epilogue *e) except -1:
    e.bias = data_of(epilogue[0])
    e.residual = data_of(epilogue[1])
    e.activation.kind = epilogue[2]
    e.activation.alpha = epilogue[3]
    e.activation.beta = epilogue[4]
    return 0


cdef void copy_sizes(const int64_t *source, int64_t *target) noexcept nogil:
    cdef int i
    for i in range(3):
        target[i] = source[i]


# ------------------------------------------------------------------------------------------------- runtime

def isa_supported(int isa):
    return bool(fc_isa_supported(isa))


def default_threads():
    return fc_default_threads()


def set_cache_limit(size_t nbytes):
    fc_cache_set_limit(nbytes)


def cache_info():
    cdef size_t limit = 0, idle = 0
    fc_cache_info(&limit, &idle)
    return limit, idle


def measure_peak(int isa, int threads, double seconds, /):
    cdef fc_run run
    cdef double flops = 0, bandwidth = 0
    cdef fc_status status
    read_run((isa, threads), &run)
    with nogil:
        status = fc_measure_peak(&run, seconds, &flops, &bandwidth)
    check(status)
    return flops, bandwidth


# --------------------------------------------------------------------------------------------- convolution

cdef int read_conv(object input, object weight, object out, tuple window, int64_t groups, Map *x, Map *y,
                   fc_conv *conv) except -1:
    cdef Map w
    describe(input, x)
    describe(weight, &w)
    describe(out, y)
    read_window(window, x.axes, &conv.window)
    copy_sizes(x.size, conv.window.size)
    copy_sizes(w.size, conv.window.kernel)
    copy_sizes(y.size, conv.window.out)
    conv.batch, conv.groups, conv.c_in, conv.c_out = x.batch, groups, x.channels, w.batch
    conv.item_bytes, conv.channels_last, conv.strided_rows = x.item_bytes, 0, 0
    return 0


def conv(input, weight, out, tuple window, int64_t groups, tuple epilogue, int algorithm, tuple run, /):
    cdef Map x, y
    cdef fc_conv conv
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    cdef void *data
    read_conv(input, weight, out, window, groups, &x, &y, &conv)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    conv.algorithm = algorithm
    data = data_of(weight)
    with nogil:
        status = fc_conv_run(&conv, &x.view, data, &y.view, &e, &r)
    check(status)


cdef int read_shapes(tuple input_shape, tuple weight_shape, tuple window, fc_conv *conv) except -1:
    """Fill the sizes of a convolution of which there are only shapes."""
    cdef int axes = <int>len(input_shape) - 2, i, to
    cdef int64_t padded, reach
    read_window(window, axes, &conv.window)
    for i in range(3 - axes):
        conv.window.size[i] = conv.window.out[i] = 1
    for i in range(axes):
        to = 3 - axes + i
        conv.window.size[to] = input_shape[2 + i]
        conv.window.kernel[to] = weight_shape[2 + i]
        padded = conv.window.size[to] + <int64_t>window[2][2 * i] + <int64_t>window[2][2 * i + 1]
        reach = (conv.window.kernel[to] - 1) * conv.window.dilation[to]
        conv.window.out[to] = (padded - reach - 1) // conv.window.stride[to] + 1
    conv.batch, conv.c_in, conv.c_out = input_shape[0], input_shape[1], weight_shape[0]
    return 0


def conv_plan(tuple input_shape, tuple weight_shape, tuple items, tuple window, int64_t groups, int algorithm,
              tuple run, /):
    cdef fc_conv conv
    cdef fc_conv_plan plan
    cdef fc_run r
    read_shapes(input_shape, weight_shape, window, &conv)
    conv.groups, conv.algorithm = groups, algorithm
    conv.item_bytes, conv.channels_last = items
    conv.strided_rows = conv.channels_last
    read_run(run, &r)
    check(fc_conv_explain(&conv, &r, &plan))
    outputs = input_shape[0] * weight_shape[0] * conv.window.out[0] * conv.window.out[1] * conv.window.out[2]
    return {
        "algorithm": fc_algorithm_name(plan.algorithm).decode(),
        "reason": plan.reason.decode(),
        "isa": fc_isa_name(r.isa).decode(),
        "layout": "blocked" if plan.form == FC_BLOCKED else "planes",
        "split": "by output channels" if plan.split == FC_BY_CHANNELS else "by bands of rows",
        "tile": (plan.kernels.tile_px, plan.kernels.tile_blocks * plan.kernels.block),
        "band": (plan.band_rows, plan.band_cols),
        "threads": plan.threads,
        "workspace_bytes": plan.shared_bytes + plan.threads * plan.thread_bytes,
        "flops": 2 * outputs * plan.depth,
    }


def bench_blocked_conv(input, weight, out, tuple window, tuple run, double seconds, /):
    cdef Map x, y
    cdef fc_conv conv
    cdef fc_run r
    cdef fc_status status
    cdef void *data
    cdef double least = 0
    read_conv(input, weight, out, window, 1, &x, &y, &conv)
    read_run(run, &r)
    data = data_of(weight)
    with nogil:
        status = fc_measure_blocked(&conv, &x.view, data, &y.view, &r, seconds, &least)
    check(status)
    return least


# ------------------------------------------------------------------------------------------------ pooling

cdef int read_pool(tuple window, Map *x, Map *y, fc_pool *pool) except -1:
    read_window(window, x.axes, &pool.window)
    copy_sizes(x.size, pool.window.size)
    copy_sizes(y.size, pool.window.out)
    pool.batch, pool.channels, pool.item_bytes = x.batch, x.channels, x.item_bytes
    return 0


def max_pool(input, out, indices, tuple window, tuple run, /):
    cdef Map x, y, i
    cdef fc_pool pool
    cdef fc_run r
    cdef fc_status status
    cdef const fc_view *taken = NULL
    describe(input, &x)
    describe(out, &y)
    if indices is not None:
        describe(indices, &i)
        taken = &i.view
    read_pool(window, &x, &y, &pool)
    read_run(run, &r)
    with nogil:
        status = fc_max_pool(&pool, &x.view, &y.view, taken, &r)
    check(status)


def avg_pool(input, out, tuple window, bint count_include_pad, int64_t divisor_override, tuple run, /):
    cdef Map x, y
    cdef fc_pool pool
    cdef fc_average average
    cdef fc_run r
    cdef fc_status status
    cdef int i
    describe(input, &x)
    describe(out, &y)
    read_pool(window, &x, &y, &pool)
    read_run(run, &r)
    for i in range(3 - x.axes):
        average.pad_after[i] = 0
    for i in range(x.axes):
        average.pad_after[3 - x.axes + i] = window[2][2 * i + 1]
    average.count_include_pad = count_include_pad
    average.divisor_override = divisor_override
    with nogil:
        status = fc_avg_pool(&pool, &average, &x.view, &y.view, &r)
    check(status)


# --------------------------------------------------------------------------------------------- batch norm

cdef void read_map(const Map *x, fc_map *map) noexcept:
    map.batch, map.channels, map.item_bytes = x.batch, x.channels, x.item_bytes
    copy_sizes(x.size, map.size)


def batch_norm_statistics(input, mean, var, tuple run, /):
    cdef Map x
    cdef fc_map map
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    read_map(&x, &map)
    read_run(run, &r)
    cdef double *mean_data = <double *>data_of(mean)
    cdef double *var_data = <double *>data_of(var)
    with nogil:
        status = fc_moments_of(&map, &x.view, mean_data, var_data, &r)
    check(status)


def batch_norm(input, out, tuple parameters, tuple epilogue, tuple run, /):
    cdef Map x, y
    cdef fc_map map
    cdef fc_normalisation norm
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    describe(out, &y)
    read_map(&x, &map)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    norm.mean = <const double *>data_of(parameters[0])
    norm.variance = <const double *>data_of(parameters[1])
    norm.weight = <const double *>data_of(parameters[2])
    norm.bias = <const double *>data_of(parameters[3])
    norm.eps = parameters[4]
    with nogil:
        status = fc_batch_norm(&map, &norm, &x.view, &y.view, &e, &r)
    check(status)


# --------------------------------------------------------------------------------------------- activations

def activation(input, out, tuple epilogue, tuple run, /):
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    cdef Py_buffer buffer
    cdef int64_t count
    cdef int item_bytes
    PyObject_GetBuffer(input, &buffer, PyBUF_FULL_RO)
    cdef const void *x = buffer.buf
    count = buffer.len // buffer.itemsize
    item_bytes = <int>buffer.itemsize
    PyBuffer_Release(&buffer)
    cdef void *y = data_of(out)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    with nogil:
        status = fc_activate(count, item_bytes, x, y, &e, &r)
    check(status)
