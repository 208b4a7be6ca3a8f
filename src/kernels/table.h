/* Everything one instruction set and item type exports: the table, and nothing else. */
#include "activation.h"
#include "affine.h"
#include "depthwise.h"
#include "grouped.h"
#include "lanes.h"
#include "layer_norm.h"
#include "linear.h"
#include "load.h"
#include "peak.h"
#include "plain_sum.h"
#include "pixel.h"
#include "planar.h"
#include "pointwise.h"
#include "pool.h"
#include "pool_lanes.h"
#include "pool_plane.h"
#include "pool_whole.h"
#include "rows.h"
#include "sliding.h"
#include "sliding_pixels.h"
#include "softmax.h"
#include "softmax_part.h"
#include "tile.h"
#include "transpose.h"
#include "unpacked.h"
#include "winograd.h"

const fc_kernels FASTCONV_TABLE = {
    .isa = FASTCONV_ISA_NAME,
    .item_bytes = REAL_BYTES,
    .lanes = LANES,
    .block = BLOCK,
    .tile_px = TILE_PX,
    .tile_blocks = TILE_BLOCKS,
    .tile = TILE_TABLE,
    .pixel = pixel,
    .unpacked = unpacked,
    .linear_rows = linear_rows,
    .to_blocked = to_blocked,
    .from_blocked = from_blocked,
    .copy_blocks = copy_blocks,
    .load_planes = load_planes,
    .load_pixels = load_pixels,
    .load_blocks = load_blocks,
    .move_lanes = move_lanes,
    .planar = planar,
    .pointwise = pointwise,
    .sliding = sliding,
    .sliding_pixels = sliding_pixels,
    .depthwise = depthwise,
    .grouped = grouped,
    .winograd = WINOGRAD_TABLE,
    .plain_sum = plain_sum,
    .holds_nan = holds_nan,
    .max_pool = max_pool,
    .avg_pool = avg_pool,
    .max_pool_plane = max_pool_plane,
    .avg_pool_plane = avg_pool_plane,
    .max_pool_lanes = max_pool_lanes,
    .avg_pool_lanes = avg_pool_lanes,
    .max_pool_whole = max_pool_whole,
    .avg_pool_whole = avg_pool_whole,
    .affine_planar = affine_planar,
    .affine_channels = affine_channels,
    .moments_planar = moments_planar,
    .moments_channels = moments_channels,
    .layer_norm = layer_norm,
    .softmax_rows = softmax_rows,
    .softmax_columns = softmax_columns,
    .softmax_part = softmax_part,
    .softmax_join = softmax_join,
    .softmax_rescale = softmax_rescale,
    .activate = activate_row,
    .gather = gather,
    .scatter = scatter,
    .turn = turn,
    .copy_rows = copy_rows,
    .add_rows = add_rows,
    .interleave = interleave,
    .fma_peak = fma_peak,
    .copy_past_cache = copy_past_cache,
    .stream = stream,
};
