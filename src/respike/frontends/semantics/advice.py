"""What to do about what has no translator, by the type of the layer or the name of the operator."""

from __future__ import annotations

_BOUNDED = "is an activation without a fitted FS neuron; replace it by Tanh, Sigmoid or Hardtanh and fine-tune"
_RECURRENT = "is a recurrent layer in a form that is not supported; give it a padded tensor, not a packed sequence"
_STATISTICS = "normalises in a way that is not supported; use BatchNorm, LayerNorm or GroupNorm"
_SAMPLING = "takes each element from a place of its own; use an interpolation, a convolution, or index_select"
_WINDOWS = "takes windows apart or puts them together; write it as a convolution, or with reshape and permute"
_TRAINING = "is random: the network is in training mode; call model.eval() before loading or exporting it"
BRANCHES = (
    "chooses by values of the data, which is neither affine nor an activation; often it can be written as "
    "F.relu, torch.clamp, F.leaky_relu or torch.maximum"
)
MASKS = (
    "makes truth values of the data, as masks are; load the network without its mask, or let it take numbers that are "
    "added to the attention scores (0, and -1e9 where nothing may look)"
)
_FUNCTION = "is neither affine nor a supported activation; replace it by one (ReLU, SiLU, Sigmoid) and fine-tune"
_ROUNDING = "cuts off towards zero, which no neuron does; use torch.floor behind a clamp at 0"
_RANDOM = (
    "is random, so that the network gives other outputs every time; draw its numbers once and keep them as a buffer"
)
_ITEM = "reads a number from the data to compute with; keep it a tensor, as x.amax((1, 2), keepdim=True)"
_ORDER = "puts elements in an order that depends on the data; remove it: respike reads out the logits"
_BILINEAR = "multiplies two signals by weights; write it as a linear layer of one, a product with the other, and a sum"
_WRITES = "writes elements by their numbers; write slices, or choose by a fixed mask with torch.where"

ADVICE: dict[str, str] = {
    **dict.fromkeys(("softsign", "Softsign", "Hardshrink", "Tanhshrink"), _BOUNDED),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"), _RECURRENT),
    **dict.fromkeys(("norm", "LocalResponseNorm", "CrossMapLRN2d"), _STATISTICS),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d", "gather", "take_along_dim"), _SAMPLING),
    **dict.fromkeys(("im2col", "col2im", "unfold"), _WINDOWS),
    **dict.fromkeys(("native_dropout", "dropout"), _TRAINING),
    **dict.fromkeys(("bernoulli", "rand_like", "rand", "randn", "randn_like", "randint", "randint_like"), _RANDOM),
    **dict.fromkeys(("randperm", "normal", "uniform", "multinomial", "poisson", "exponential", "rrelu"), _RANDOM),
    **dict.fromkeys(("trunc", "fix"), _ROUNDING),
    **dict.fromkeys(("gt", "lt", "ge", "le", "eq", "ne", "where", "sign", "masked_fill", "__and", "__or"), BRANCHES),
    **dict.fromkeys(("exp", "log", "sin", "cos"), _FUNCTION),
    **dict.fromkeys(("argmax", "argmin", "topk", "sort", "max", "min"), _ORDER),
    **dict.fromkeys(("item", "_local_scalar_dense", "nonzero"), _ITEM),
    **dict.fromkeys(("LPPool1d", "LPPool2d", "LPPool3d"), "use average pooling"),
    **dict.fromkeys(("bilinear", "_trilinear", "Bilinear"), _BILINEAR),
    **dict.fromkeys(("index_put", "_unsafe_index_put", "scatter", "index_copy", "masked_scatter"), _WRITES),
}
DEFAULT = "is not supported; docs/networks/operators.md lists what is"
