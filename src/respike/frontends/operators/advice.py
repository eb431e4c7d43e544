"""What to do about what has no translator, by the type of the layer or the name of the operator."""

from __future__ import annotations

_FITTED = "needs a fitted FS neuron (a later release); replace it by ReLU and fine-tune"
_READOUT = (
    "at the end, remove it: argmax does not change, and respike reads out the logits; elsewhere it is not supported"
)
_ATTENTION = "multiplies or normalises signals by each other; respike converts fixed weights and ReLUs only"
_RECURRENT = "recurrent layers are not supported; respike converts feed-forward networks"
_BOUNDED = "needs a fitted FS neuron (a later release); replace it by ReLU6 or Hardtanh and fine-tune"
_STATISTICS = "normalises by the statistics of each sample, which is not affine; use BatchNorm"
_UPSAMPLING = "resampling is not supported; use pooling, or a strided convolution"
_TRANSPOSED = "transposed convolution is not supported; use a convolution"
_TRAINING = "is random: the network is in training mode; call model.eval() before loading or exporting it"
_COMPARISON = "branches on values; a threshold is not an affine map nor a ReLU"

ADVICE: dict[str, str] = {
    **dict.fromkeys(("silu", "gelu", "mish", "hardswish", "elu", "selu", "celu", "softplus", "log_sigmoid"), _FITTED),
    **dict.fromkeys(("sigmoid", "tanh", "hardsigmoid", "softsign"), _BOUNDED),
    **dict.fromkeys(("softmax", "_softmax", "log_softmax", "_log_softmax"), _READOUT),
    **dict.fromkeys(("scaled_dot_product_attention", "bmm", "baddbmm", "einsum"), _ATTENTION),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"), _RECURRENT),
    **dict.fromkeys(
        ("layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "instance_norm"), _STATISTICS
    ),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d", "pixel_shuffle"), _UPSAMPLING),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _TRANSPOSED),
    **dict.fromkeys(("native_dropout", "dropout", "bernoulli", "rand_like", "rand", "randn", "randn_like"), _TRAINING),
    **dict.fromkeys(("gt", "lt", "ge", "le", "eq", "ne", "where", "sign", "abs", "pow", "argmax", "topk"), _COMPARISON),
    **dict.fromkeys(("MultiheadAttention", "TransformerEncoderLayer"), _ATTENTION),
    **dict.fromkeys(("item", "_local_scalar_dense", "nonzero"), "reads a number from the data to compute with"),
    "Softsign": _BOUNDED,
    "LPPool2d": "use average pooling",
    "prelu": "negative values pass it and spikes are not negative; replace it by ReLU and fine-tune",
    "abs": "write it as relu(x) + relu(-x)",
    "pow": "a power is not affine; only ReLU networks can be converted",
    "argmax": "remove it: respike reads out the logits",
}
DEFAULT = "is not supported"
