# A compiled network: values and steps as C arrays, walked by one call without the GIL.

STEPS = tuple(fc_step_name(i).decode() for i in range(FC_STEPS))
IN_ARENA, IN_INPUT, IN_OUTPUT, IN_CHAIN = FC_IN_ARENA, FC_IN_INPUT, FC_IN_OUTPUT, FC_IN_CHAIN
NO_VALUE = FC_NO_VALUE
BLOCK_BYTES = FC_BLOCK_BYTES
MOST_TAPS, MOST_LINKS = FC_MOST_TAPS, FC_MOST_LINKS
FILTER_GIVEN, FILTER_PACKED, FILTER_FETCHED, FILTER_TAPS = FC_FILTER_GIVEN, FC_FILTER_PACKED, FC_FILTER_FETCHED, FC_FILTER_TAPS
AFFINE_VECTORS = FC_AFFINE_VECTORS


cdef void read_sizes(tuple sizes, int64_t *target):
    cdef int i
    for i in range(3):
        target[i] = sizes[i]


cdef int read_value(tuple given, fc_value *v) except -1:
    v.place, v.blocked, v.at, v.channels = given[0], given[1], given[2], given[3]
    read_sizes(given[4], v.size)
    read_sizes(given[5], v.before)
    read_sizes(given[6], v.after)
    v.first_block, v.map_blocks, v.first_lane = given[7], given[8], given[9]
    return 0


cdef int read_normalisation(tuple given, fc_normalisation *norm) except -1:
    norm.mean, norm.variance = <const double *>data_of(given[0]), <const double *>data_of(given[1])
    norm.weight, norm.bias = <const double *>data_of(given[2]), <const double *>data_of(given[3])
    norm.eps = given[4]
    return 0


cdef int read_step(tuple given, const fc_value *values, int item_bytes, fc_step *step) except -1:
    """Fill a step from (kind, input, residual, output, weight, bias, activation, window, details, links)."""
    cdef tuple activation = given[6]
    cdef object details = given[8]
    cdef str name = STEPS[<int>given[0]]
    cdef int i
    step.kind, step.input, step.residual, step.output = given[0], given[1], given[2], given[3]
    step.weight, step.bias, step.links = data_of(given[4]), data_of(given[5]), given[9]
    step.activation.kind, step.activation.alpha, step.activation.beta = activation[0], activation[1], activation[2]
    cdef const fc_value *x = &values[step.input]
    cdef const fc_value *y = &values[step.output]
    cdef fc_conv *conv = &step.conv
    cdef fc_window window
    if given[7] is not None:
        read_window(given[7], 3, &window)
        copy_sizes(x.size, window.size)
        copy_sizes(y.size, window.out)
    if name == "load":
        step.loading.bytes, step.loading.channels_last = details[0], details[1]
        step.loading.mean, step.loading.std = data_of(details[2]), data_of(details[3])
    elif name in ("conv", "depthwise", "plain_conv"):
        conv.window = window
        conv.batch, conv.c_in, conv.c_out, conv.item_bytes = 1, x.channels, y.channels, item_bytes
        conv.groups, conv.algorithm, conv.transposed = details[:3]
        conv.channels_last = conv.strided_rows = 0
        conv.prepacked = <fc_filter_state><int>details[3]
    elif name.endswith("pool"):
        if given[7] is None:
            copy_sizes(x.size, window.size)
            copy_sizes(y.size, window.out)
        step.pool.window, step.pool.item_bytes = window, item_bytes
    if name == "avg_pool":
        step.average.count_include_pad, step.average.divisor_override = details[0], details[1]
        read_sizes(details[2], step.average.pad_after)
    elif name == "batch_norm":
        conv.window = window
        read_normalisation(details, &step.norm)
    elif name == "group_norm":
        step.groups, step.norm.eps = details[0], details[3]
        step.norm.weight, step.norm.bias = <const double *>data_of(details[1]), <const double *>data_of(details[2])
    elif name == "layer_norm":
        step.layer.items, step.layer.eps, step.layer.item_bytes = details[0], details[1], item_bytes
        step.layer.weight, step.layer.bias = step.weight, step.bias
    elif name == "softmax":
        step.logarithm = details
    return 0


cdef class Program:
    cdef fc_program program
    cdef fc_step *steps
    cdef fc_value *values
    cdef tuple kept  # what the steps point into

    def __cinit__(self, list values, list steps, int item_bytes, size_t arena_bytes, /):
        cdef Py_ssize_t i
        self.kept = tuple(steps)
        self.values = <fc_value *>PyMem_Calloc(len(values), sizeof(fc_value))
        self.steps = <fc_step *>PyMem_Calloc(len(steps), sizeof(fc_step))
        if self.values is NULL or self.steps is NULL:
            raise MemoryError("not enough memory for the steps of a network")
        for i in range(len(values)):
            read_value(values[i], &self.values[i])
        for i in range(len(steps)):
            read_step(steps[i], self.values, item_bytes, &self.steps[i])
        self.program.step, self.program.value, self.program.steps = self.steps, self.values, len(steps)
        self.program.item_bytes, self.program.arena_bytes = item_bytes, arena_bytes

    def __dealloc__(self):
        fc_program_free(&self.program)
        PyMem_Free(self.values)
        PyMem_Free(self.steps)

    def run(self, input, out, int64_t batch, tuple run, seconds=None, /):
        cdef fc_run r
        cdef fc_status status
        cdef const void *x = data_of(input)
        cdef void *y = data_of(out)
        cdef double *times = <double *>data_of(seconds)
        read_run(run, &r)
        with nogil:
            status = fc_program_run(&self.program, batch, x, y, &r, times)
        check(status)


def value_bytes(tuple value, int64_t batch, int item_bytes, /):
    cdef fc_value v
    read_value(value, &v)
    return fc_value_bytes(&v, batch, item_bytes)


def pack_affine(tuple normalisation, int64_t channels, int item_bytes, packed, /):
    cdef fc_normalisation norm
    read_normalisation(normalisation, &norm)
    fc_pack_affine(&norm, channels, item_bytes, data_of(packed))


def pack_depthwise(weight, packed, /):
    cdef fc_conv conv
    cdef Map w
    describe(weight, &w)
    copy_sizes(w.size, conv.window.kernel)
    conv.c_out, conv.c_in, conv.groups, conv.item_bytes = w.batch, w.channels, 1, w.item_bytes
    fc_pack_depthwise(&conv, data_of(weight), data_of(packed))
