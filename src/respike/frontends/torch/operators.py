"""What each operator of a torch.export graph means; `OPERATORS` is the closed list of what is supported."""

from __future__ import annotations

import operator

import torch

from respike.frontends.semantics import activations, arithmetic, matrices, pooling, products, shaping
from respike.frontends.semantics.call import Translator
from respike.frontends.torch import call
from respike.ir import Hardswish, ReLU, Sigmoid, Tanh

aten = torch.ops.aten

LAYERS: dict[object, Translator] = {
    aten.linear: call.linear,
    aten.addmm: call.addmm,
    **dict.fromkeys((aten.conv1d, aten.conv2d, aten.conv3d), call.conv),
    **dict.fromkeys((aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d), call.conv_transpose),
    aten.convolution: call.convolution,
    aten.batch_norm: call.batch_norm,
    aten._native_batch_norm_legit_no_training: call.native_batch_norm,
    aten._native_batch_norm_legit: call.batch_norm_training,
    aten._native_batch_norm_legit_functional: call.batch_norm_training,
    aten.layer_norm: call.layer_norm,
    aten.native_layer_norm: call.native_layer_norm,
    aten.group_norm: call.group_norm,
    aten.instance_norm: call.instance_norm,
    aten.embedding: call.embedding,
}
POOLING: dict[object, Translator] = {
    **dict.fromkeys((aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d), call.avg_pool),
    **dict.fromkeys((aten.max_pool1d, aten.max_pool2d, aten.max_pool3d), call.max_pool),
    **{getattr(aten, f"max_pool{n}d_with_indices"): call.max_pool_with_indices for n in (1, 2, 3)},
    **{getattr(aten, f"adaptive_avg_pool{n}d"): call.adaptive_avg_pool for n in (1, 2, 3)},
    **{getattr(aten, f"adaptive_max_pool{n}d"): call.adaptive_max_pool for n in (1, 2, 3)},
    aten.amax: call.reduced(pooling.largest),
    aten.amin: call.reduced(pooling.smallest),
    aten.max: call.extreme(activations.maximum, pooling.largest),
    aten.min: call.extreme(activations.minimum, pooling.smallest),
}
ACTIVATIONS: dict[object, Translator] = {
    aten.relu: activations.of(ReLU()),
    aten.relu6: activations.of(ReLU(6.0)),
    aten.sigmoid: activations.of(Sigmoid()),
    aten.tanh: activations.of(Tanh()),
    aten.silu: activations.silu,
    aten.hardswish: activations.of(Hardswish()),
    aten.hardsigmoid: activations.hardsigmoid,
    aten.gelu: activations.gelu,
    aten.elu: activations.elu,
    aten.selu: activations.selu,
    aten.celu: activations.celu,
    aten.glu: activations.glu,
    **dict.fromkeys((aten.clamp, aten.clamp_min, aten.clip), activations.clamp),
    aten.clamp_max: activations.clamp_max,
    aten.hardtanh: activations.hardtanh,
    aten.maximum: activations.maximum,
    aten.minimum: activations.minimum,
    aten.threshold: activations.threshold,
    aten.leaky_relu: activations.leaky_relu,
    aten.rrelu: call.rrelu,
    **dict.fromkeys((aten.prelu, aten._prelu_kernel), call.prelu),
    aten.abs: activations.absolute,
    aten.softshrink: activations.shrink,
    aten.floor: activations.floor,
    aten.ceil: activations.ceil,
    aten.round: call.round_,
}
ARITHMETIC: dict[object, Translator] = {
    aten.add: arithmetic.add,
    aten.sub: arithmetic.sub,
    aten.rsub: call.rsub,
    aten.mul: arithmetic.mul,
    aten.div: call.div,
    aten.reciprocal: arithmetic.reciprocal,
    aten.neg: arithmetic.negative,
    aten.square: arithmetic.square,
    aten.pow: arithmetic.power,
}
PRODUCTS: dict[object, Translator] = {
    **dict.fromkeys((aten.matmul, aten.mm, aten.bmm), products.matmul),
    **dict.fromkeys((aten.softmax, aten._softmax), call.softmax),
    **dict.fromkeys((aten.log_softmax, aten._log_softmax), call.log_softmax),
    aten.scaled_dot_product_attention: call.attention,
}
MATRICES: dict[object, Translator] = {
    **{getattr(aten, f"upsample_nearest{n}d"): call.interpolation("nearest") for n in (1, 2, 3)},
    **{getattr(aten, f"_upsample_nearest_exact{n}d"): call.interpolation("nearest-exact") for n in (1, 2, 3)},
    **dict.fromkeys((aten.upsample_linear1d, aten.upsample_bilinear2d), call.interpolation("bilinear")),
    aten.upsample_trilinear3d: call.interpolation("bilinear"),
    aten.upsample_bicubic2d: call.interpolation("bicubic"),
    aten._upsample_bilinear2d_aa: call.interpolation("bilinear", antialias=True),
    aten._upsample_bicubic2d_aa: call.interpolation("bicubic", antialias=True),
    aten.pad: call.pad,
    aten.constant_pad_nd: call.constant_pad,
    aten.mean: call.reduced(matrices.mean),
    aten.sum: call.reduced(matrices.total),
    aten.expand: call.expand,
    aten.repeat_interleave: call.repeat_interleave,
    aten.flip: matrices.flip,
    aten.cumsum: call.cumulative_sum,
    aten.index_select: call.index_select,
    aten.index: call.index,
}
RECURRENT: dict[object, Translator] = {
    aten.rnn_relu: call.recurrent_layer("rnn_relu"),
    aten.rnn_tanh: call.recurrent_layer("rnn_tanh"),
    aten.gru: call.recurrent_layer("gru"),
    aten.lstm: call.recurrent_layer("lstm"),
}
SHAPING: dict[object, Translator] = {
    operator.getitem: call.getitem,
    **dict.fromkeys((aten.view, aten.reshape, aten._unsafe_view, aten.flatten, aten.unflatten), call.reshape),
    **dict.fromkeys((aten.squeeze, aten.unsqueeze), call.reshape),
    aten.permute: shaping.permute,
    **dict.fromkeys((aten.transpose, aten.t), shaping.transpose),
    aten.slice: call.slice_,
    aten.narrow: call.narrow,
    aten.select: shaping.select,
    **dict.fromkeys((aten.split, aten.split_with_sizes), shaping.split),
    aten.chunk: shaping.chunk,
    aten.tensor_split: shaping.tensor_split,
    aten.unbind: shaping.unbind,
    aten.cat: shaping.concat,
    aten.stack: shaping.stack,
    aten.roll: call.roll,
    **dict.fromkeys((aten.repeat, aten.tile), shaping.repeat),
    aten.pixel_shuffle: shaping.pixel_shuffle,
    aten.pixel_unshuffle: shaping.pixel_unshuffle,
    aten.channel_shuffle: shaping.channel_shuffle,
    **dict.fromkeys((aten.clone, aten.detach, aten.alias, aten.contiguous, aten._to_copy, aten.to), call.unchanged),
    **dict.fromkeys((aten.dropout, aten.feature_dropout, aten.alpha_dropout), call.dropout),
    aten.feature_alpha_dropout: call.dropout,
    aten.native_dropout: call.native_dropout,
    **dict.fromkeys((aten.zeros_like, aten.new_zeros), call.filled(0.0)),
    **dict.fromkeys((aten.ones_like, aten.new_ones), call.filled(1.0)),
    **dict.fromkeys((aten.full_like, aten.new_full), call.filled()),
}
OPERATORS: dict[object, Translator] = {
    **LAYERS,
    **POOLING,
    **ACTIVATIONS,
    **ARITHMETIC,
    **PRODUCTS,
    **MATRICES,
    **RECURRENT,
    **SHAPING,
}
