/* The activations that kernels apply to what they store. */
#ifndef FASTCONV_KERNELS_ACTIVATION_CONTRACT_H
#define FASTCONV_KERNELS_ACTIVATION_CONTRACT_H

typedef enum {
    FC_IDENTITY, FC_RELU, FC_CLIP, FC_LEAKY_RELU, FC_SILU, FC_HARDSWISH, FC_SIGMOID, FC_TANH, FC_ACTIVATIONS
} fc_activation_kind;

/* alpha, beta: the bounds of a clip, or the slope of a leaky ReLU. */
typedef struct {
    fc_activation_kind kind;
    double alpha, beta;
} fc_activation;

/* Whether a kernel applies the activation within its store; the rest are called from it, or take a second pass over the hot output. */
static inline int fc_is_clip(const fc_activation *activation) { return activation->kind <= FC_CLIP; }

#endif
