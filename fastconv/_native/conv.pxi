# Convolution, ordinary and transposed.

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
    conv.batch, conv.groups, conv.c_in, conv.c_out = x.batch, groups, x.channels, y.channels
    conv.item_bytes, conv.transposed, conv.channels_last, conv.strided_rows = x.item_bytes, 0, 0, 0
    conv.prepacked = FC_FILTER_GIVEN
    return 0


cdef int run_conv(fc_conv *conv, Map *x, object weight, Map *y, tuple epilogue, tuple run) except -1:
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    cdef void *data = data_of(weight)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    with nogil:
        status = fc_conv_run(conv, &x.view, data, &y.view, &e, &r)
    return check(status)


def conv(input, weight, out, tuple window, int64_t groups, tuple epilogue, int algorithm, tuple run, /):
    cdef Map x, y
    cdef fc_conv conv
    read_conv(input, weight, out, window, groups, &x, &y, &conv)
    conv.algorithm = algorithm
    run_conv(&conv, &x, weight, &y, epilogue, run)


def linear(input, weight, out, tuple epilogue, tuple run, /):
    cdef fc_linear l
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_status status
    cdef Py_buffer x
    PyObject_GetBuffer(input, &x, PyBUF_FULL_RO)
    l.rows, l.features, l.item_bytes = x.shape[0], x.shape[1], <int>x.itemsize
    l.input, l.in_row = x.buf, x.strides[0]
    PyBuffer_Release(&x)
    l.outputs = len(weight)
    l.weight = data_of(weight)
    l.output = data_of(out)
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    with nogil:
        status = fc_linear_run(&l, &e, &r)
    check(status)


def conv_transpose(input, weight, out, tuple window, int64_t groups, tuple epilogue, int algorithm, tuple run, /):
    cdef Map x, y
    cdef fc_conv conv
    read_conv(input, weight, out, window, groups, &x, &y, &conv)
    conv.transposed, conv.algorithm = 1, algorithm
    run_conv(&conv, &x, weight, &y, epilogue, run)


cdef int read_shapes(tuple shapes, tuple window, fc_conv *conv) except -1:
    """Fill the sizes of a convolution of which there are only the shapes of input, weight and output."""
    cdef tuple input = shapes[0], weight = shapes[1], out = shapes[2]
    cdef int axes = <int>len(input) - 2, i, to
    read_window(window, axes, &conv.window)
    for i in range(3 - axes):
        conv.window.size[i] = conv.window.out[i] = 1
    for i in range(axes):
        to = 3 - axes + i
        conv.window.size[to] = input[2 + i]
        conv.window.kernel[to] = weight[2 + i]
        conv.window.out[to] = out[2 + i]
    conv.batch, conv.c_in, conv.c_out = input[0], input[1], out[1]
    return 0


def conv_plan(tuple shapes, tuple items, tuple window, int64_t groups, int algorithm, bint transposed, tuple run,
              int prepacked=0, /):
    cdef fc_conv conv
    cdef fc_conv_report report
    cdef fc_conv_plan *plan = &report.plan
    cdef fc_run r
    read_shapes(shapes, window, &conv)
    conv.groups, conv.algorithm, conv.transposed = groups, algorithm, transposed
    conv.prepacked = <fc_filter_state>prepacked
    conv.item_bytes, conv.channels_last = items
    conv.strided_rows = conv.channels_last
    read_run(run, &r)
    check(fc_conv_explain(&conv, &r, &report))
    return {
        "algorithm": fc_algorithm_name(plan.algorithm).decode(),
        "reason": plan.reason.decode(),
        "isa": fc_isa_name(r.isa).decode(),
        "tiled": plan.method == FC_TILES or plan.method == FC_TRANSFORMED,
        "layout": "blocked" if plan.form == FC_BLOCKED else "planes",
        "split": "by output channels" if plan.split == FC_BY_CHANNELS else "by bands of rows",
        "tile": (plan.kernels.tile_px, plan.kernels.tile_blocks * plan.kernels.block),
        "band": (plan.band_rows, plan.band_cols),
        "threads": plan.threads,
        "tasks": int(report.work.tasks),
        "filter_bytes": plan.filter_bytes,
        "workspace_bytes": plan.shared_bytes + plan.threads * plan.thread_bytes,
        "predicted_seconds": report.work.seconds,
        "able": [fc_algorithm_name(report.able[i]).decode() for i in range(report.able_count)],
        "work": {fc_amount_name(i).decode(): report.work.amount[i] for i in range(FC_AMOUNTS)},
    }


def pack_conv(weight, packed, tuple shapes, tuple window, int64_t groups, int algorithm, tuple run,
              bint transposed=False, /):
    cdef fc_conv conv
    cdef fc_run r
    cdef fc_status status
    cdef Map w
    cdef void *data = data_of(weight)
    cdef void *to = data_of(packed)
    describe(weight, &w)
    read_shapes(shapes, window, &conv)
    conv.groups, conv.algorithm, conv.transposed = groups, algorithm, transposed
    conv.prepacked = FC_FILTER_PACKED
    conv.item_bytes, conv.channels_last, conv.strided_rows = w.item_bytes, 0, 0
    read_run(run, &r)
    with nogil:
        status = fc_conv_pack(&conv, data, to, &r)
    check(status)


def conv_packed(input, packed, tuple weight_shape, out, tuple window, int64_t groups, tuple epilogue, int algorithm,
                tuple run, /):
    cdef Map x, y
    cdef fc_conv conv
    describe(input, &x)
    describe(out, &y)
    read_shapes((input.shape, weight_shape, out.shape), window, &conv)
    conv.groups, conv.algorithm, conv.transposed, conv.prepacked = groups, algorithm, 0, FC_FILTER_PACKED
    conv.item_bytes, conv.channels_last, conv.strided_rows = x.item_bytes, 0, 0
    run_conv(&conv, &x, packed, &y, epilogue, run)


def bench_blocked_conv(input, weight, out, tuple window, tuple epilogue, int algorithm, tuple run, double seconds, /):
    cdef Map x, y
    cdef fc_conv conv
    cdef fc_epilogue e
    cdef fc_run r
    cdef fc_plain_conv call
    cdef fc_status status
    cdef double least = 0
    read_conv(input, weight, out, window, 1, &x, &y, &conv)
    conv.algorithm = algorithm
    read_epilogue(epilogue, &e)
    read_run(run, &r)
    call.conv, call.input, call.output, call.weight, call.epilogue = &conv, &x.view, &y.view, data_of(weight), &e
    with nogil:
        status = fc_measure_blocked(&call, &r, seconds, &least)
    check(status)
    return least
