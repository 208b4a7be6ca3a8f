# Normalisation.

cdef void read_map(const Map *x, fc_map *map) noexcept:
    map.batch, map.channels, map.item_bytes = x.batch, x.channels, x.item_bytes
    copy_sizes(x.size, map.size)


cdef int read_own_statistics(tuple parameters, fc_own_statistics *norm) except -1:
    norm.weight = <const double *>data_of(parameters[0])
    norm.bias = <const double *>data_of(parameters[1])
    norm.eps = parameters[2]
    norm.mean = <double *>data_of(parameters[3])
    norm.variance = <double *>data_of(parameters[4])
    return 0


cdef int widen_vector(object values, object wide) except -1:
    """Fill a vector, and say whether the values are such that it could."""
    cdef Py_buffer buffer
    cdef Py_ssize_t count = len(wide)
    cdef double *target = <double *>data_of(wide)
    PyObject_GetBuffer(values, &buffer, PyBUF_FULL_RO)
    cdef bint fits = buffer.ndim == 1 and buffer.shape[0] == count and buffer.strides[0] == buffer.itemsize
    # One letter: the machine's own byte order.
    fits = fits and (buffer.format[0] == c"f" or buffer.format[0] == c"d") and buffer.format[1] == 0
    fits = fits and <size_t>buffer.buf % buffer.itemsize == 0
    if fits:
        fc_widen(count, <int>buffer.itemsize, buffer.buf, target)
    PyBuffer_Release(&buffer)
    return fits


def widen(tuple vectors, list wide, /):
    for values, target in zip(vectors, wide):
        if values is not None and not widen_vector(values, target):
            return False
    return True


def least(values, /):
    cdef Py_ssize_t count = len(values)
    cdef const double *data = <const double *>data_of(values)
    return fc_least(count, data)


def update_average(average, x, double share, double factor, /):
    cdef Py_ssize_t count = len(x)
    cdef int item_bytes = average.itemsize
    cdef void *target = data_of(average)
    cdef const double *data = <const double *>data_of(x)
    fc_update_average(count, item_bytes, target, data, share, factor)


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


def batch_norm_training(input, out, tuple parameters, tuple epilogue, tuple run, /):
    cdef Map x, y
    cdef fc_map map
    cdef fc_own_statistics norm
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    describe(out, &y)
    read_map(&x, &map)
    read_own_statistics(parameters, &norm)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    with nogil:
        status = fc_batch_norm_training(&map, &norm, &x.view, &y.view, &e, &r)
    check(status)


def group_norm(input, out, tuple sizes, tuple parameters, tuple epilogue, tuple run, /):
    cdef fc_grouped map
    cdef fc_own_statistics norm
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    cdef void *x = data_of(input)
    cdef void *y = data_of(out)
    map.batch, map.channels, map.groups, map.pixels, map.item_bytes, map.channels_last = sizes
    read_own_statistics(parameters, &norm)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    with nogil:
        status = fc_group_norm(&map, &norm, x, y, &e, &r)
    check(status)


def layer_norm(input, out, tuple sizes, tuple parameters, tuple run, /):
    cdef fc_layer layer
    cdef fc_run r
    cdef fc_status status
    cdef void *x = data_of(input)
    cdef void *y = data_of(out)
    layer.rows, layer.items, layer.item_bytes = sizes
    layer.weight = data_of(parameters[0])
    layer.bias = data_of(parameters[1])
    layer.eps = parameters[2]
    read_run(run, &r)
    with nogil:
        status = fc_layer_norm(&layer, x, y, &r)
    check(status)
