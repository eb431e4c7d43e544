"""What each operator of a torch.export graph means; `OPERATORS` is the closed list of what is supported."""

from __future__ import annotations

import operator

import torch

from respike.frontends.semantics import (
    activations,
    arithmetic,
    layers,
    matrices,
    pooling,
    products,
    recurrent,
    shaping,
)
from respike.frontends.semantics.call import Translator
from respike.ir import Hardswish, ReLU, Sigmoid, SiLU, Tanh

aten = torch.ops.aten

LAYERS: dict[object, Translator] = {
    aten.linear: layers.linear,
    aten.addmm: layers.addmm,
    **dict.fromkeys((aten.conv1d, aten.conv2d, aten.conv3d), layers.conv),
    **dict.fromkeys((aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d), layers.conv_transpose),
    aten.convolution: layers.convolution,
    aten._native_batch_norm_legit_no_training: layers.batch_norm,
    aten._native_batch_norm_legit: layers.batch_norm_training,
    aten._native_batch_norm_legit_functional: layers.batch_norm_training,
    aten.layer_norm: layers.layer_norm,
    aten.native_layer_norm: layers.native_layer_norm,
    aten.group_norm: layers.group_norm,
    aten.instance_norm: layers.instance_norm,
    aten.embedding: layers.embedding,
}
POOLING: dict[object, Translator] = {
    **dict.fromkeys((aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d), pooling.avg_pool),
    **dict.fromkeys((aten.max_pool1d, aten.max_pool2d, aten.max_pool3d), pooling.max_pool),
    **dict.fromkeys((aten.max_pool2d_with_indices, aten.max_pool3d_with_indices), pooling.max_pool_with_indices),
    **{getattr(aten, f"adaptive_avg_pool{n}d"): pooling.adaptive_avg_pool for n in (1, 2, 3)},
    **{getattr(aten, f"adaptive_max_pool{n}d"): pooling.adaptive_max_pool for n in (1, 2, 3)},
    aten.amax: pooling.global_max,
}
ACTIVATIONS: dict[object, Translator] = {
    aten.relu: activations.of(ReLU()),
    aten.relu6: activations.of(ReLU(6.0)),
    aten.sigmoid: activations.of(Sigmoid()),
    aten.tanh: activations.of(Tanh()),
    aten.silu: activations.of(SiLU()),
    aten.hardswish: activations.of(Hardswish()),
    aten.hardsigmoid: activations.hardsigmoid,
    aten.gelu: activations.gelu,
    aten.elu: activations.elu,
    aten.selu: activations.selu,
    aten.celu: activations.celu,
    aten.glu: activations.glu,
    aten.clamp: activations.clamp,
    aten.clamp_min: activations.clamp,
    aten.clamp_max: activations.clamp_max,
    aten.clip: activations.clamp,
    aten.hardtanh: activations.hardtanh,
    aten.maximum: activations.maximum,
    aten.minimum: activations.minimum,
    aten.max.other: activations.maximum,
    aten.min.other: activations.minimum,
    aten.threshold: activations.threshold,
    aten.leaky_relu: activations.leaky_relu,
    aten.rrelu: activations.rrelu,
    aten.prelu: activations.prelu,
    aten._prelu_kernel: activations.prelu,
    aten.abs: activations.absolute,
}
ARITHMETIC: dict[object, Translator] = {
    aten.add: arithmetic.add,
    aten.sub: arithmetic.sub,
    aten.rsub: arithmetic.rsub,
    aten.mul: arithmetic.mul,
    aten.div: arithmetic.div,
    aten.neg: arithmetic.neg,
    aten.square: arithmetic.square,
    aten.pow: arithmetic.power,
}
PRODUCTS: dict[object, Translator] = {
    **dict.fromkeys((aten.matmul, aten.mm, aten.bmm), products.matmul),
    **dict.fromkeys((aten.softmax, aten._softmax), products.softmax),
    aten.scaled_dot_product_attention: products.attention,
}
MATRICES: dict[object, Translator] = {
    **{getattr(aten, f"upsample_nearest{n}d"): matrices.interpolation("nearest") for n in (1, 2, 3)},
    **{getattr(aten, f"_upsample_nearest_exact{n}d"): matrices.interpolation("nearest-exact") for n in (1, 2, 3)},
    **dict.fromkeys((aten.upsample_linear1d, aten.upsample_bilinear2d), matrices.interpolation("bilinear")),
    aten.upsample_trilinear3d: matrices.interpolation("bilinear"),
    aten.upsample_bicubic2d: matrices.interpolation("bicubic"),
    aten._upsample_bilinear2d_aa: matrices.interpolation("bilinear", antialias=True),
    aten._upsample_bicubic2d_aa: matrices.interpolation("bicubic", antialias=True),
    aten.pad: matrices.pad,
    aten.constant_pad_nd: matrices.constant_pad,
    aten.mean: matrices.mean,
    aten.sum: matrices.total,
    aten.expand: matrices.expand,
    aten.repeat_interleave: matrices.repeat_interleave,
    aten.flip: matrices.flip,
    aten.cumsum: matrices.cumulative_sum,
    aten.index_select: matrices.index_select,
    aten.index: matrices.index,
}
RECURRENT: dict[object, Translator] = {
    aten.rnn_relu.input: recurrent.single(recurrent.rnn_relu_step),
    aten.rnn_tanh.input: recurrent.single(recurrent.rnn_tanh_step),
    aten.gru.input: recurrent.single(recurrent.gru_step),
    aten.lstm.input: recurrent.lstm,
}
SHAPING: dict[object, Translator] = {
    operator.getitem: shaping.getitem,
    **dict.fromkeys((aten.view, aten.reshape, aten._unsafe_view, aten.flatten, aten.unflatten), shaping.reshape),
    **dict.fromkeys((aten.squeeze, aten.unsqueeze), shaping.reshape),
    aten.permute: shaping.permute,
    **dict.fromkeys((aten.transpose, aten.t), shaping.transpose),
    aten.slice: shaping.slice_,
    aten.select: shaping.select,
    **dict.fromkeys((aten.split, aten.split_with_sizes), shaping.split),
    aten.chunk: shaping.chunk,
    aten.tensor_split: shaping.tensor_split,
    aten.unbind: shaping.unbind,
    aten.cat: shaping.concat,
    aten.stack: shaping.stack,
    aten.roll: shaping.roll,
    aten.repeat: shaping.repeat,
    aten.pixel_shuffle: shaping.pixel_shuffle,
    aten.pixel_unshuffle: shaping.pixel_unshuffle,
    aten.channel_shuffle: shaping.channel_shuffle,
    **dict.fromkeys((aten.clone, aten.detach, aten.alias, aten.contiguous, aten._to_copy), shaping.unchanged),
    aten.zeros_like: shaping.zeros_like,
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
