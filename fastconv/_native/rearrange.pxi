# Moving data: copies, padding, windows to columns and back, unpooling.

PAD_MODES = tuple(fc_pad_mode_name(i).decode() for i in range(FC_PAD_MODES))


def copy(input, out, tuple run, /):
    cdef fc_strided array
    cdef fc_run r
    cdef fc_status status
    cdef Py_buffer buffer
    cdef int i
    PyObject_GetBuffer(input, &buffer, PyBUF_FULL_RO)
    cdef const void *x = buffer.buf
    array.axes, array.item_bytes = buffer.ndim, <int>buffer.itemsize
    if array.item_bytes not in (4, 8) or input.nbytes != out.nbytes:
        PyBuffer_Release(&buffer)
        raise ValueError(f"expected equal arrays of 4 or 8 bytes an item, got {array.item_bytes} and {out.nbytes} in all")
    for i in range(buffer.ndim):
        array.size[i] = buffer.shape[i]
        array.stride[i] = buffer.strides[i]
    PyBuffer_Release(&buffer)
    cdef void *y = data_of(out)
    read_run(run, &r)
    with nogil:
        status = fc_copy(&array, x, y, &r)
    check(status)


def pad(input, out, tuple before, int mode, double value, tuple run, /):
    cdef fc_padding padding
    cdef fc_run r
    cdef fc_status status
    cdef Py_buffer buffer
    cdef tuple sizes = out.shape
    cdef int i
    if len(before) > FC_AXES:
        raise ValueError(f"expected at most {FC_AXES} axes, got {len(before)}")
    PyObject_GetBuffer(input, &buffer, PyBUF_FULL_RO)
    cdef const void *x = buffer.buf
    padding.axes, padding.item_bytes = buffer.ndim, <int>buffer.itemsize
    for i in range(buffer.ndim):
        padding.in_[i] = buffer.shape[i]
        padding.stride[i] = buffer.strides[i]
    PyBuffer_Release(&buffer)
    for i in range(padding.axes):
        padding.out[i] = sizes[i]
        padding.before[i] = before[i]
    padding.mode, padding.value = mode, value
    cdef void *y = data_of(out)
    read_run(run, &r)
    with nogil:
        status = fc_pad(&padding, x, y, &r)
    check(status)


cdef int read_columns(const Map *image, tuple window, tuple blocks, fc_unfolding *columns) except -1:
    cdef int i
    read_window(window, image.axes, &columns.window)
    copy_sizes(image.size, columns.window.size)
    columns.window.out[0] = 1
    for i in range(2):
        columns.window.out[1 + i] = blocks[i]
    columns.batch, columns.channels, columns.item_bytes = image.batch, image.channels, image.item_bytes
    return 0


def unfold(input, out, tuple window, tuple blocks, tuple run, /):
    cdef Map x
    cdef fc_unfolding columns
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    read_columns(&x, window, blocks, &columns)
    read_run(run, &r)
    cdef void *y = data_of(out)
    with nogil:
        status = fc_unfold(&columns, &x.view, y, &r)
    check(status)


def fold(input, out, tuple window, tuple blocks, tuple run, /):
    cdef Map x, y
    cdef fc_unfolding columns
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    describe(out, &y)
    read_columns(&y, window, blocks, &columns)
    read_run(run, &r)
    with nogil:
        status = fc_fold(&columns, &x.view, y.view.data, &r)
    check(status)


def worst_index(indices, tuple run, /):
    cdef fc_run r
    cdef fc_status status
    cdef int64_t count = indices.size, worst = 0
    cdef const int64_t *data = <const int64_t *>data_of(indices)
    read_run(run, &r)
    with nogil:
        status = fc_worst_index(count, data, &r, &worst)
    check(status)
    return worst


def max_unpool(input, indices, out, tuple run, /):
    cdef Map x, i, y
    cdef fc_map map, plane
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    describe(indices, &i)
    describe(out, &y)
    read_map(&x, &map)
    read_map(&y, &plane)
    read_run(run, &r)
    with nogil:
        status = fc_max_unpool(&map, &x.view, &i.view, &plane, &y.view, &r)
    check(status)
