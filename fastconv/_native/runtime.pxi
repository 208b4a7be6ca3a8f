# Status to exception, signals, memory from the cache, and what the machine can do.

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


def measure_peak(int isa, int threads, double seconds, int64_t reads=1, int64_t writes=1, /):
    cdef fc_run run
    cdef fc_peak peak
    cdef fc_status status
    read_run((isa, threads, False), &run)
    if min(reads, writes) < 0 or not 1 <= reads + writes <= 1000:
        raise ValueError(f"{reads} reads for {writes} writes are no traffic that can be measured")
    with nogil:
        status = fc_measure_peak(&run, reads, writes, seconds, &peak)
    check(status)
    return peak.flops, peak.moved
