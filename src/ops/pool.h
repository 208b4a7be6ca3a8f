/* What max and average pooling share: the walk over rows of output pixels, and where a row's input lies. */
#ifndef FASTCONV_OPS_POOL_H
#define FASTCONV_OPS_POOL_H

#include "layout.h"
#include "pool_window.h"

typedef struct fc_pool_job fc_pool_job;

/* One row of output pixels, `channels` channels of it. */
typedef struct {
    int64_t sample, channel, channels, d, h;
    fc_pool_taps slices, rows; /* of the window */
    const char *input; /* input position (d_first, h_first, v_first) of the sample, at `channel` */
    int64_t d_first, h_first, v_first;
    ptrdiff_t px, row, slice; /* bytes between the input's pixels, rows and slices */
    char *output;
    ptrdiff_t out_px;
    char *scratch; /* of the thread */
} fc_pool_line;

/* The kernel positions inside the input, or a part of them, for a run of output pixels that all have the same ones. Parts
 * come in the order of the positions; started, unfinished: as in fc_pool_row. */
typedef struct {
    int64_t col, px, count;
    int started, unfinished;
    const ptrdiff_t *offset; /* bytes from the line's input */
    const int64_t *index;    /* flat position in the plane, for the run's first pixel */
    char *winners;           /* scratch for one pixel's taps */
} fc_pool_span;

/* Reduce one run: a call or two of a kernel. */
typedef void fc_pool_reduce(const fc_pool_job *job, const fc_pool_line *line, const fc_pool_span *run);

/* Values of a channel that a task looks at, at the most: signals are asked about between tasks, so none may last long. */
enum { FC_POOL_TASK_WORK = 1 << 26 };

/* What is pooled at a time: rows of channels-last pixels, whole planes, small planes, rows of planes, or channel blocks in scratch. */
typedef enum { FC_POOL_PIXELS, FC_POOL_WHOLE, FC_POOL_LANES, FC_POOL_ROWS, FC_POOL_BLOCKS } fc_pool_walk;

struct fc_pool_job {
    fc_pool pool; /* whose window only says where `windows` came from */
    fc_pool_windows windows;
    fc_pool_walk walk;
    const fc_kernels *kernels;
    fc_view input, output, indices; /* indices.data may be NULL */
    const fc_average *average;      /* NULL for max */
    fc_pool_reduce *reduce;
    void (*plane)(const fc_pool_plane *); /* the kernels for planes, for small ones, and for whole ones */
    void (*lanes)(const fc_pool_lanes *);
    void (*whole)(const fc_pool_whole *);
    int64_t (*counted)(const fc_pool_job *, int axis, int64_t o); /* average: how much of a window counts */
    const char *col_divisor;                                      /* average over planes: one item a column */
    int64_t planes, pitch, rows_together; /* planes of a task; see fc_pool_plane */
    int packed, joined, merged, streamed, past_cache;
    int64_t stage_rows; /* of outputs that are put together in `stage_bytes` of scratch and go past the cache from there; 0: none */
    int64_t band_rows, bands;       /* output rows of a task */
    int64_t part_taps[FC_SPATIAL];  /* kernel positions of a part of a window, along each axis */
    int by_parts;                   /* channel blocks: a part of one window in scratch at a time, instead of a band */
    int64_t piece_cols, pieces;     /* output columns of a task */
    int64_t part_channels, parts;   /* channels of a task, where pixels are pooled */
    char *threads;
    /* of a thread's scratch; head: what comes before the input, the reach of rows and windows or offsets, indices and winners */
    size_t taps_bytes, reach_bytes, stage_bytes, input_bytes, output_bytes, head_bytes, thread_bytes;
};

/* Planes without a transposition, row by row: whether they can be read so; the plan, which returns the bytes of the
 * divisors; and a task. */
int fc_pool_reads_planes(const fc_pool_job *job);
size_t fc_pool_plan_planes(fc_pool_job *job, int threads);
void fc_pool_fill_divisors(const fc_pool_job *job, void *divisors);
void fc_pool_plane_task(void *context, int64_t task, int thread);

/* The same for windows that are the whole plane. */
int fc_pool_takes_whole_planes(const fc_pool_job *job);
void fc_pool_plan_whole(fc_pool_job *job, int threads);
void fc_pool_whole_task(void *context, int64_t task, int thread);

/* And for small planes, many at a time; the plan returns the bytes of the divisors. */
int fc_pool_takes_small_planes(const fc_pool_job *job);
size_t fc_pool_plan_lanes(fc_pool_job *job, int threads);
void fc_pool_lanes_task(void *context, int64_t task, int thread);

/* What the walks over planes share: the first axis from which on every item of a map follows the one before it (0 for the
 * whole array, 2 for single planes), whether windows are listed for the kernel of rows, the input rows of the outputs (d, h). */
int fc_pool_packed_from(const fc_pool_job *job, const fc_view *view, const int64_t *plane);
int fc_pool_lists_windows(const fc_pool_job *job);
fc_pool_reach fc_pool_reach_of(const fc_pool_job *job, int64_t d, int64_t h);

/* Output rows of a task: all of a plane, unless there are few planes. */
int64_t fc_pool_band_rows(const fc_window *window, int64_t planes, int threads);

fc_status fc_pool_call(fc_pool_job *job, const fc_run *run);

/* Maxima of blocked maps a row at a time, their windows not cut into parts: for each position of one FC_LISTS_OF_TAPS numbers of
 * scratch. */
enum { FC_LISTS_OF_TAPS = 2 };
fc_pool_job fc_max_pool_of_rows(const fc_pool *pool, const fc_kernels *kernels);
void fc_pool_one_line(const fc_pool_job *job, fc_pool_line *line);

/* Whether pixels hold their channels next to each other in both arrays. */
int fc_channels_last(const fc_view *input, const fc_view *output, int64_t channels, int item_bytes);

#endif
