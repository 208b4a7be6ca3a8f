# Normalisation.

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
