# Pooling.

cdef int read_pool_sizes(Map *x, Map *y, fc_pool *pool) except -1:
    copy_sizes(x.size, pool.window.size)
    copy_sizes(y.size, pool.window.out)
    pool.batch, pool.run, pool.channels, pool.item_bytes = x.batch, x.batch, x.channels, x.item_bytes
    pool.input_run = pool.output_run = 0
    return 0


cdef int read_pool(tuple window, Map *x, Map *y, fc_pool *pool) except -1:
    read_window(window, x.axes, &pool.window)
    return read_pool_sizes(x, y, pool)


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


def adaptive_max_pool(input, out, indices, tuple run, /):
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
    read_pool_sizes(&x, &y, &pool)
    read_run(run, &r)
    with nogil:
        status = fc_adaptive_max_pool(&pool, &x.view, &y.view, taken, &r)
    check(status)


def adaptive_avg_pool(input, out, tuple run, /):
    cdef Map x, y
    cdef fc_pool pool
    cdef fc_run r
    cdef fc_status status
    describe(input, &x)
    describe(out, &y)
    read_pool_sizes(&x, &y, &pool)
    read_run(run, &r)
    with nogil:
        status = fc_adaptive_avg_pool(&pool, &x.view, &y.view, &r)
    check(status)
