# Arrays to views, tuples to structs.

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
    # The stride of an axis of one item may be anything: it takes that of the nearest longer axis.
    if map.size[2] == 1 and map.size[0] * map.size[1] != 1:
        map.view.stride[4] = map.view.stride[3] if map.size[1] != 1 else map.view.stride[2]
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
    r.winograd = run[2]
    r.team.threads = run[1]
    r.team.interrupted = interrupted
    r.team.crew = NULL
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
