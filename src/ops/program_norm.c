/* Normalisation by statistics of the samples themselves, between plain maps. */
#include "program.h"

static int64_t pixels_of(const fc_value *v) { return v->size[0] * v->size[1] * v->size[2]; }

fc_status fc_step_group_norm(const fc_walker *w)
{
    const fc_step *step = w->step;
    const fc_value *v = fc_value_of(w, step->input);
    const fc_grouped map = {w->batch, v->channels, step->groups, pixels_of(v), w->program->item_bytes, 0};
    const fc_own_statistics scaling = {.weight = step->norm.weight, .bias = step->norm.bias, .eps = step->norm.eps};
    const fc_epilogue epilogue = {NULL, NULL, step->activation};
    return fc_group_norm(&map, &scaling, fc_plain_of(w, step->input).data, fc_plain_of(w, step->output).data, &epilogue, w->run);
}

fc_status fc_step_layer_norm(const fc_walker *w)
{
    const fc_value *v = fc_value_of(w, w->step->input);
    fc_layer layer = w->step->layer;
    layer.rows = w->batch * v->channels * pixels_of(v) / layer.items;
    return fc_layer_norm(&layer, fc_plain_of(w, w->step->input).data, fc_plain_of(w, w->step->output).data, w->run);
}
