# Elementwise functions, and softmax.

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


def softmax(input, out, tuple sizes, bint logarithm, tuple run, /):
    cdef fc_softmax s
    cdef fc_run r
    cdef fc_status status
    cdef void *x = data_of(input)
    cdef void *y = data_of(out)
    s.outer, s.items, s.inner, s.item_bytes = sizes
    s.logarithm = logarithm
    read_run(run, &r)
    with nogil:
        status = fc_softmax_run(&s, x, y, &r)
    check(status)
