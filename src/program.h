/* A network as a flat array of steps over one arena: what is compiled once and walked by one call.
 *
 * Values are feature maps: of the caller, channels first and contiguous; or in the arena, in channel blocks with a halo or
 * plain. A value may be some of the blocks of a larger map: so branches write where they are joined. Some of the channels of
 * a plain one, and those of a blocked one that do not start at a block, are only written by REORDER. Lanes of a last block
 * beyond the channels are anything.
 */
#ifndef FASTCONV_PROGRAM_H
#define FASTCONV_PROGRAM_H

#include "fastconv.h"

/* IN_CHAIN: between steps that are computed together, of which some rows at a time are in a thread's scratch. */
typedef enum { FC_IN_ARENA, FC_IN_INPUT, FC_IN_OUTPUT, FC_IN_CHAIN } fc_place;

typedef struct {
    fc_place place;
    int blocked;
    size_t at; /* in the arena: bytes before the map, its halo included */
    int64_t channels, size[FC_SPATIAL];
    int64_t before[FC_SPATIAL], after[FC_SPATIAL]; /* halo of a blocked map: zero when a step reads it */
    int64_t first_block, map_blocks;               /* of the map that it is a part of; plain: channels */
    int first_lane;                                /* of its first block, which others have a part of */
} fc_value;

/* Bytes of the whole map of a value for so many samples. */
size_t fc_value_bytes(const fc_value *value, int64_t batch, int item_bytes);

/*   LOAD              the caller's input as the map that is read: see fc_loading
 *   CONV              blocked, or plain into blocked where its plan reads planes, its filter packed, groups of whole blocks
 *                     (transposed too, its halo as wide as its phases reach, its filter finite)
 *   DEPTHWISE         blocked, groups each of whose blocks of outputs reads one block of inputs (as fc_few_lanes says), packed by
 *                     fc_pack_depthwise, at most FC_MOST_TAPS taps
 *   PLAIN_CONV        plain, any convolution, transposed too, its weight as it is
 *   MAX_POOL, AVG_POOL, ADAPTIVE_AVG_POOL
 *   REORDER           from either form to either
 *   ADD               act(input + residual), residual may be missing; both of the output's form and size
 *   BATCH_NORM        act(normalised), all blocked, packed by fc_pack_affine, or all plain
 *   GROUP_NORM        plain, act(normalised by the statistics of each sample's groups of channels)
 *   LAYER_NORM        plain, along whole rows of the last axes
 *   SOFTMAX           plain, along the channels
 */
typedef enum {
    FC_STEP_LOAD, FC_STEP_CONV, FC_STEP_DEPTHWISE, FC_STEP_PLAIN_CONV, FC_STEP_MAX_POOL, FC_STEP_AVG_POOL, FC_STEP_ADAPTIVE_AVG_POOL,
    FC_STEP_REORDER, FC_STEP_ADD, FC_STEP_BATCH_NORM, FC_STEP_GROUP_NORM, FC_STEP_LAYER_NORM, FC_STEP_SOFTMAX,
    FC_STEPS
} fc_step_kind;
const char *fc_step_name(fc_step_kind kind);

/* Of a depthwise step and a maximum in a chain, and of a chain. */
enum { FC_MOST_TAPS = 512, FC_MOST_LINKS = 6 };

/* How the caller's input, contiguous, becomes (x - mean) / std: of uint8 or of the program's items, its channels first or last.
 * From channels first only a plain map is made. mean, std: as in fc_load. */
typedef struct {
    int bytes, channels_last;
    const void *mean, *std;
} fc_loading;

enum { FC_NO_VALUE = -1 };

typedef struct {
    fc_step_kind kind;
    int links; /* how many steps from this one on are computed together: CONV (direct, one group, not transposed), DEPTHWISE (a
                * filter a channel), MAX_POOL (blocked, at most FC_MOST_TAPS), whose windows have one slice and no padding there,
                * and BATCH_NORM (blocked) of maps of one slice */
    int input, residual, output; /* numbers of values */
    fc_conv conv;                /* the batch is that of the call; of BATCH_NORM the window alone, which is an item */
    const void *weight, *bias;
    fc_loading loading;
    fc_pool pool;
    fc_average average;
    fc_normalisation norm; /* of plain maps: an entry a channel; of GROUP_NORM without statistics */
    int64_t groups;
    fc_layer layer;        /* its rows are those of the call */
    int logarithm;
    fc_activation activation;
} fc_step;

typedef struct {
    const fc_step *step;
    const fc_value *value;
    int64_t steps;
    int item_bytes;
    size_t arena_bytes; /* for the largest batch */
    fc_kept_block arena;
} fc_program;

/* seconds: NULL, or one for each step; those of steps that are computed together are the first one's, the others stay. */
fc_status fc_program_run(fc_program *program, int64_t batch, const void *input, void *output, const fc_run *run,
                         double *seconds);

/* Give up the memory that was kept from call to call. */
void fc_program_free(fc_program *program);

/* What BATCH_NORM between blocked maps takes as its weight: the parameters of each channel block (fc_affine). */
void fc_pack_affine(const fc_normalisation *norm, int64_t channels, int item_bytes, void *packed);

/* Taps of each block of outputs: [block][tap][input of the group][lane]. */
void fc_pack_depthwise(const fc_conv *conv, const void *weight, void *packed);
size_t fc_depthwise_bytes(const fc_conv *conv);

#endif
