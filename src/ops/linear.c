/* A linear layer: rows by a filter that is used once, both as they are, or, where sums are too short for vectors along them, the
 * same as a 1x1 convolution of channels last.
 *
 * A task is some outputs of some rows, of which a part of each stays in the second-level cache while the same part of the filter passes
 * by (kernels/linear.h).
 */
#include "../fastconv.h"
#include "../sizes.h"
#include "../plan/share.h"

enum {
    LEAST_DEPTH_BYTES = 256,    /* of a row, for vectors along it */
    ROWS_BYTES = 256 * 1024,    /* of all rows that are looked at together, in the second-level cache */
    OUTPUTS_TOGETHER = 8,       /* of whole tiles, */
    MOST_TOGETHER = 8,          /* of which a task has so many at most */
};

typedef struct {
    const fc_linear *linear;
    const fc_kernels *kernels;
    const fc_epilogue *epilogue;
    int64_t block_rows, pieces, piece_outputs;
} fc_linear_job;

static void linear_task(void *context, int64_t task, int thread)
{
    (void)thread;
    const fc_linear_job *job = context;
    const fc_linear *l = job->linear;
    const int64_t row = task / job->pieces * job->block_rows, output = task % job->pieces * job->piece_outputs;
    const fc_linear_rows t = {
        .input = (const char *)l->input + row * l->in_row, .in_row = l->in_row,
        .filter = (const char *)l->weight + output * l->features * l->item_bytes, .filter_row = l->features * l->item_bytes,
        .bias = job->epilogue->bias ? (const char *)job->epilogue->bias + output * l->item_bytes : NULL,
        .rows = fc_min(job->block_rows, l->rows - row), .depth = l->features,
        .outputs = fc_min(job->piece_outputs, l->outputs - output),
        .output = (char *)l->output + (row * l->outputs + output) * l->item_bytes, .out_row = l->outputs * l->item_bytes,
        .activation = job->epilogue->activation,
    };
    job->kernels->linear_rows(&t);
}

static fc_status as_convolution(const fc_linear *l, const fc_epilogue *epilogue, const fc_run *run)
{
    const fc_conv conv = {.batch = 1, .groups = 1, .c_in = l->features, .c_out = l->outputs, .item_bytes = l->item_bytes,
                          .window = {.in = {1, 1, l->rows}, .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1},
                                     .out = {1, 1, l->rows}}};
    const fc_view input = {(void *)l->input, {0, l->item_bytes, 0, 0, l->in_row}};
    const fc_view output = {l->output, {0, l->item_bytes, 0, 0, l->outputs * l->item_bytes}};
    return fc_conv_run(&conv, &input, l->weight, &output, epilogue, run);
}

fc_status fc_linear_run(const fc_linear *l, const fc_epilogue *epilogue, const fc_run *run)
{
    const int64_t row_bytes = l->features * l->item_bytes, tiles = fc_ceil_div(l->outputs, OUTPUTS_TOGETHER);
    if (row_bytes < LEAST_DEPTH_BYTES) return as_convolution(l, epilogue, run);
    fc_linear_job job = {.linear = l, .kernels = fc_kernels_for(run->isa, l->item_bytes), .epilogue = epilogue};
    fc_team team = run->team;
    if ((double)l->rows * (double)l->features * (double)l->outputs < FC_SERIAL_WORK) team.threads = 1;
    job.block_rows = fc_min(ROWS_BYTES / fc_min(row_bytes, FC_LINEAR_PART), l->rows);
    const int64_t blocks = fc_ceil_div(l->rows, job.block_rows);
    const int64_t most = fc_max(1, fc_min(MOST_TOGETHER, tiles / fc_bands_wanted(blocks, team.threads)));
    job.piece_outputs = OUTPUTS_TOGETHER * fc_even_piece(tiles, most, blocks, team.threads);
    job.pieces = fc_ceil_div(l->outputs, job.piece_outputs);
    return fc_parallel(&team, blocks * job.pieces, linear_task, &job);
}
