# Convolution.

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
