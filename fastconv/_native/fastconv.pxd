# The C library's interface, as in src/fastconv.h.
from libc.stdint cimport int64_t


cdef extern from "kernels.h" nogil:
    enum: FC_BLOCK_BYTES
    ctypedef int fc_activation_kind
    ctypedef struct fc_activation:
        fc_activation_kind kind
        double alpha, beta
    ctypedef struct fc_kernels:
        int lanes, block, tile_px, tile_blocks
    int FC_ISAS, FC_ACTIVATIONS
    const char *fc_isa_name(int isa)
    int fc_isa_supported(int isa)
    const fc_kernels *fc_kernels_for(int isa, int item_bytes)


cdef extern from "fastconv.h" nogil:
    ctypedef enum fc_status:
        FC_OK, FC_NO_MEMORY, FC_INTERRUPTED, FC_UNSUPPORTED
    ctypedef struct fc_team:
        int threads
        int (*interrupted)() noexcept
        void *crew
    ctypedef struct fc_run:
        int isa, winograd
        fc_team team
    ctypedef struct fc_view:
        void *data
        Py_ssize_t[5] stride
    ctypedef struct fc_window:
        int64_t[3] size "in"
        int64_t[3] kernel, stride, pad, dilation, out
    ctypedef struct fc_epilogue:
        const void *bias
        const void *residual
        fc_activation activation
    ctypedef int fc_algorithm
    int FC_ALGORITHMS
    enum: FC_MOST_TILE_PHASES
    const char *fc_algorithm_name(fc_algorithm algorithm)
    int fc_default_threads()

    ctypedef enum fc_filter_state:
        FC_FILTER_GIVEN, FC_FILTER_PACKED, FC_FILTER_FETCHED, FC_FILTER_TAPS
    ctypedef struct fc_conv:
        int64_t batch, groups, c_in, c_out
        fc_window window
        int item_bytes, transposed, channels_last, strided_rows
        fc_filter_state prepacked
        fc_algorithm algorithm
    fc_status fc_conv_run(const fc_conv *, const fc_view *input, const void *weight, const fc_view *output,
                          const fc_epilogue *, const fc_run *)

    ctypedef struct fc_linear:
        int64_t rows, features, outputs
        int item_bytes
        const void *input
        const void *weight
        ptrdiff_t in_row
        void *output
    fc_status fc_linear_run(const fc_linear *, const fc_epilogue *, const fc_run *)

    fc_status fc_conv_pack(const fc_conv *, const void *weight, void *packed, const fc_run *)

    ctypedef struct fc_plain_conv:
        const fc_conv *conv
        const fc_view *input
        const fc_view *output
        const void *weight
        const fc_epilogue *epilogue
    fc_status fc_measure_blocked(const fc_plain_conv *, const fc_run *, double seconds, double *least)

    ctypedef struct fc_pool:
        int64_t batch, channels, run
        Py_ssize_t input_run, output_run
        fc_window window
        int item_bytes
    ctypedef struct fc_average:
        int64_t[3] pad_after
        int count_include_pad
        int64_t divisor_override
    fc_status fc_max_pool(const fc_pool *, const fc_view *input, const fc_view *output, const fc_view *indices,
                          const fc_run *)
    fc_status fc_avg_pool(const fc_pool *, const fc_average *, const fc_view *input, const fc_view *output,
                          const fc_run *)
    fc_status fc_adaptive_max_pool(const fc_pool *, const fc_view *input, const fc_view *output, const fc_view *indices,
                                   const fc_run *)
    fc_status fc_adaptive_avg_pool(const fc_pool *, const fc_view *input, const fc_view *output, const fc_run *)

    ctypedef struct fc_map:
        int64_t batch, channels
        int64_t[3] size
        int item_bytes
    ctypedef struct fc_normalisation:
        const double *mean
        const double *variance
        const double *weight
        const double *bias
        double eps
    void fc_widen(int64_t count, int item_bytes, const void *, double *)
    void fc_update_average(int64_t count, int item_bytes, void *average, const double *x, double share, double factor)
    double fc_least(int64_t count, const double *)
    fc_status fc_batch_norm(const fc_map *, const fc_normalisation *, const fc_view *input, const fc_view *output,
                            const fc_epilogue *, const fc_run *)
    ctypedef struct fc_own_statistics:
        const double *weight
        const double *bias
        double eps
        double *mean
        double *variance
    fc_status fc_batch_norm_training(const fc_map *, const fc_own_statistics *, const fc_view *input, const fc_view *output,
                                     const fc_epilogue *, const fc_run *)

    int FC_AXES
    ctypedef struct fc_strided:
        int axes, item_bytes
        int64_t[64] size
        Py_ssize_t[64] stride
    fc_status fc_copy(const fc_strided *, const void *input, void *output, const fc_run *)

    ctypedef int fc_pad_mode
    int FC_PAD_MODES
    const char *fc_pad_mode_name(fc_pad_mode mode)
    ctypedef struct fc_padding:
        int axes, item_bytes
        int64_t[64] in_ "in"
        int64_t[64] out, before
        Py_ssize_t[64] stride
        fc_pad_mode mode
        double value
    ctypedef struct fc_unfolding:
        int64_t batch, channels
        fc_window window
        int item_bytes
    fc_status fc_pad(const fc_padding *, const void *input, void *output, const fc_run *)
    fc_status fc_unfold(const fc_unfolding *, const fc_view *input, void *output, const fc_run *)
    fc_status fc_fold(const fc_unfolding *, const fc_view *input, void *output, const fc_run *)
    fc_status fc_worst_index(int64_t count, const int64_t *indices, const fc_run *, int64_t *worst)
    fc_status fc_max_unpool(const fc_map *, const fc_view *input, const fc_view *indices, const fc_map *plane,
                            const fc_view *output, const fc_run *)

    ctypedef struct fc_grouped:
        int64_t batch, channels, groups, pixels
        int item_bytes, channels_last
    fc_status fc_group_norm(const fc_grouped *, const fc_own_statistics *, const void *x, void *y, const fc_epilogue *,
                            const fc_run *)
    ctypedef struct fc_layer:
        int64_t rows, items
        int item_bytes
        const void *weight
        const void *bias
        double eps
    fc_status fc_layer_norm(const fc_layer *, const void *x, void *y, const fc_run *)
    ctypedef struct fc_softmax:
        int64_t outer, items, inner
        int item_bytes, logarithm
    fc_status fc_softmax_run(const fc_softmax *, const void *x, void *y, const fc_run *)
    fc_status fc_activate(int64_t count, int item_bytes, const void *x, void *y, const fc_epilogue *, const fc_run *)
    ctypedef struct fc_peak:
        double flops, moved
    fc_status fc_measure_peak(const fc_run *, int64_t reads, int64_t writes, double seconds, fc_peak *)


cdef extern from "workspace.h" nogil:
    ctypedef struct fc_block:
        void *data
        size_t capacity
    fc_block fc_block_acquire(size_t size)
    void fc_block_release(fc_block block)
    void fc_cache_set_limit(size_t size)
    void fc_cache_info(size_t *limit, size_t *idle)


cdef extern from "plan/conv.h" nogil:
    ctypedef enum fc_form:
        FC_BLOCKED, FC_PLANES, FC_PHASES
    ctypedef enum fc_method:
        FC_TILES, FC_COLUMNS, FC_ROWS, FC_POINTWISE, FC_WINDOWS, FC_CHANNELS, FC_TRANSFORMED
    ctypedef enum fc_split:
        FC_BY_BANDS, FC_BY_CHANNELS
    ctypedef struct fc_conv_plan:
        fc_algorithm algorithm
        const char *reason
        const fc_kernels *kernels
        int threads
        fc_method method
        fc_form form
        fc_split split
        int64_t taps, depth, band_rows, band_cols
        size_t filter_bytes, thread_bytes, shared_bytes


cdef extern from "plan/choose.h" nogil:
    ctypedef int fc_amount
    int FC_AMOUNTS
    const char *fc_amount_name(fc_amount amount)
    ctypedef struct fc_work:
        double *amount
        double tasks, seconds
    ctypedef struct fc_conv_report:
        fc_conv_plan plan
        fc_work work
        fc_algorithm *able
        int able_count
    fc_status fc_conv_explain(const fc_conv *, const fc_run *, fc_conv_report *)


cdef extern from "program.h" nogil:
    enum: FC_IN_ARENA, FC_IN_INPUT, FC_IN_OUTPUT, FC_IN_CHAIN
    enum: FC_NO_VALUE
    enum: FC_MOST_TAPS, FC_MOST_LINKS, FC_AFFINE_VECTORS
    enum: FC_STEPS
    ctypedef int fc_place
    ctypedef int fc_step_kind
    const char *fc_step_name(fc_step_kind)
    ctypedef struct fc_value:
        fc_place place
        int blocked
        size_t at
        int64_t channels
        int64_t[3] size, before, after
        int64_t first_block, map_blocks
        int first_lane
    ctypedef struct fc_loading:
        int bytes, channels_last
        const void *mean
        const void *std
    ctypedef struct fc_step:
        fc_step_kind kind
        int links, input, residual, output
        fc_conv conv
        const void *weight
        const void *bias
        fc_loading loading
        fc_pool pool
        fc_average average
        fc_normalisation norm
        int64_t groups
        fc_layer layer
        int logarithm
        fc_activation activation
    ctypedef struct fc_program:
        const fc_step *step
        const fc_value *value
        int64_t steps
        int item_bytes
        size_t arena_bytes
    size_t fc_value_bytes(const fc_value *, int64_t batch, int item_bytes)
    fc_status fc_program_run(fc_program *, int64_t batch, const void *input, void *output, const fc_run *,
                             double *seconds)
    void fc_program_free(fc_program *)
    void fc_pack_affine(const fc_normalisation *, int64_t channels, int item_bytes, void *packed)
    void fc_pack_depthwise(const fc_conv *, const void *weight, void *packed)
