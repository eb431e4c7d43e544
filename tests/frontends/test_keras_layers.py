"""Every layer against Keras itself, on inputs around zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from frontends.keras_models import equal_layer, equal_network, keras, layers, sequential, trained
from respike.errors import UnsupportedOperator
from respike.frontends.keras import keras_model
from respike.frontends.keras.original import quiet
from respike.ir import Activation, Network

L: Any = layers
IMAGE, SERIES, VOLUME, FLAT = (7, 6, 4), (9, 4), (4, 5, 3, 2), (5,)

CASES: list[tuple[Callable[[], Any], tuple[int, ...]]] = [
    (lambda: L.Dense(3, activation="relu"), FLAT),
    (lambda: L.Dense(3, use_bias=False), IMAGE),
    (lambda: L.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="tanh"), SERIES),
    (lambda: L.Conv2D(7, (3, 2), groups=7, data_format="channels_first"), IMAGE),
    (lambda: L.Conv3D(3, 2, use_bias=False, padding="same"), VOLUME),
    (lambda: L.DepthwiseConv1D(3, depth_multiplier=2), SERIES),
    (lambda: L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, activation="relu6"), IMAGE),
    (lambda: L.SeparableConv1D(5, 2, padding="same"), SERIES),
    (lambda: L.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=3, activation="relu"), IMAGE),
    (lambda: L.Conv1DTranspose(3, 4, strides=3, padding="same"), SERIES),
    (lambda: L.Conv3DTranspose(3, 2, strides=2, use_bias=False), VOLUME),
    (lambda: L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1), IMAGE),
    (lambda: L.BatchNormalization(), FLAT),
    (lambda: L.BatchNormalization(epsilon=0.3, center=False), IMAGE),
    (lambda: L.BatchNormalization(axis=1, scale=False), IMAGE),
    (lambda: L.BatchNormalization(), SERIES),
    (lambda: L.LayerNormalization(epsilon=0.1), IMAGE),
    (lambda: L.LayerNormalization(axis=[1, 2, 3], center=False), IMAGE),
    (lambda: L.RMSNormalization(epsilon=0.1), SERIES),
    (lambda: L.RMSNormalization(axis=[2, 3]), IMAGE),
    (lambda: L.GroupNormalization(2, epsilon=0.1), IMAGE),
    (lambda: L.GroupNormalization(-1), IMAGE),
    (lambda: L.GroupNormalization(1), FLAT),
    (lambda: L.Rescaling(1 / 255, -1.0), IMAGE),
    (lambda: L.Rescaling([1.0, 2.0, 3.0, -1.0], np.array([0.0, 1.0, 0.5, 2.0])), IMAGE),
    (lambda: L.Normalization(), IMAGE),
    (lambda: L.Normalization(axis=None, mean=0.3, variance=2.0), IMAGE),
    (lambda: L.Normalization(axis=(1, 3)), IMAGE),
    (lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 0.0, 2.0, 3.0]), IMAGE),
    (lambda: L.ReLU(max_value=1.5), IMAGE),
    (lambda: L.ReLU(max_value=1.5, negative_slope=0.25), IMAGE),
    (lambda: L.LeakyReLU(), IMAGE),
    (lambda: L.LeakyReLU(negative_slope=0.1), FLAT),
    (lambda: L.PReLU(), IMAGE),
    (lambda: L.PReLU(shared_axes=[1, 2]), IMAGE),
    (lambda: L.ELU(alpha=0.7), IMAGE),
    (lambda: L.Softmax(), IMAGE),
    (lambda: L.Softmax(axis=1), IMAGE),
    (lambda: L.AveragePooling1D(3, 2), SERIES),
    (lambda: L.AveragePooling2D((2, 3), (1, 2)), IMAGE),
    (lambda: L.AveragePooling3D(2), VOLUME),
    (lambda: L.AveragePooling2D(3, 1, padding="same"), IMAGE),
    (lambda: L.AveragePooling1D(3, 2, padding="same"), SERIES),
    (lambda: L.MaxPooling1D(2, 1, padding="same"), SERIES),
    (lambda: L.MaxPooling2D((3, 2), (2, 1), padding="same", data_format="channels_first"), IMAGE),
    (lambda: L.MaxPooling3D(2, padding="same"), VOLUME),
    (lambda: L.GlobalAveragePooling1D(), SERIES),
    (lambda: L.GlobalAveragePooling2D(keepdims=True), IMAGE),
    (lambda: L.GlobalAveragePooling2D(data_format="channels_first"), IMAGE),
    (lambda: L.GlobalAveragePooling3D(), VOLUME),
    (lambda: L.GlobalMaxPooling1D(keepdims=True), SERIES),
    (lambda: L.GlobalMaxPooling2D(), IMAGE),
    (lambda: L.GlobalMaxPooling3D(), VOLUME),
    (lambda: L.Flatten(), IMAGE),
    (lambda: L.Flatten(data_format="channels_first"), IMAGE),
    (lambda: L.Reshape((6, -1)), IMAGE),
    (lambda: L.Permute((3, 1, 2)), IMAGE),
    (lambda: L.ZeroPadding1D((1, 2)), SERIES),
    (lambda: L.ZeroPadding2D(((1, 0), (2, 3))), IMAGE),
    (lambda: L.ZeroPadding3D(1), VOLUME),
    (lambda: L.Cropping1D(2), SERIES),
    (lambda: L.Cropping2D(((1, 0), (2, 1))), IMAGE),
    (lambda: L.Cropping2D(1, data_format="channels_first"), IMAGE),
    (lambda: L.Cropping3D((1, 2, 0)), VOLUME),
    (lambda: L.UpSampling1D(3), SERIES),
    (lambda: L.UpSampling2D((2, 3)), IMAGE),
    (lambda: L.UpSampling2D((3, 2), interpolation="bilinear"), IMAGE),
    (lambda: L.UpSampling3D(2), VOLUME),
    (lambda: L.Dropout(0.5), IMAGE),
    (lambda: L.GaussianNoise(0.5), FLAT),
]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_layers(make: Callable[[], Any], shape: tuple[int, ...]) -> None:
    equal_layer(make, shape)


NAMED = ("relu", "relu6", "leaky_relu", "elu", "selu", "sigmoid", "tanh", "silu", "swish", "gelu", "softmax")


@pytest.mark.parametrize("function", NAMED)
def test_activations_by_name(function: str) -> None:
    network = equal_layer(lambda: L.Activation(function), IMAGE)
    equal_layer(lambda: L.Conv2D(3, 2, activation=function), IMAGE)
    assert network.nodes[-1].name.startswith("activation")


@pytest.mark.parametrize("function", ["hard_sigmoid", "hard_silu", "linear"])
def test_piecewise_activations(function: str) -> None:
    equal_layer(lambda: L.Dense(3, activation=function), FLAT)


def merged(merge: Callable[[Any, Any], Any], first: tuple[int, ...], second: tuple[int, ...]) -> Network:
    """The network of two convolved, or dense, inputs put together."""
    with quiet():
        x, y = keras.Input(first), keras.Input(second)
        p, q = (L.Conv2D(4, 1)(v) if len(v.shape) == 4 else L.Dense(4)(v) for v in (x, y))
        return equal_network(trained(keras.Model([x, y], merge(p, q))))


@pytest.mark.parametrize("name", ["Add", "Subtract", "Average", "Multiply"])
@pytest.mark.parametrize("second", [IMAGE, (1, 1, 3), FLAT])
def test_merging(name: str, second: tuple[int, ...]) -> None:
    merged(lambda x, y: getattr(L, name)()([x, y]), IMAGE, second)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_concatenation(axis: int) -> None:
    def joined(x: Any, y: Any) -> Any:
        return L.Concatenate(axis=axis)([x, y])

    merged(joined, IMAGE, IMAGE)


@pytest.mark.parametrize(
    "operation",
    [
        lambda x, y: x + y,
        lambda x, y: 1 - x * 2 + (y - 3) / 4,
        lambda x, y: -x * y,
        lambda x, y: keras.ops.relu(x) + keras.ops.silu(y),
    ],
)
def test_operators(operation: Callable[[Any, Any], Any]) -> None:
    merged(operation, IMAGE, IMAGE)


sizes = st.integers(1, 4)
pairs = st.tuples(sizes, sizes)
quickly = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
space = st.tuples(st.integers(4, 9), st.integers(4, 9), st.just(2))


@given(shape=space, kernel=pairs, stride=sizes, dilation=sizes, padding=st.sampled_from(["same", "valid"]))
@quickly
def test_convolutions_of_any_window(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: int, dilation: int, padding: str
) -> None:
    dilation = 1 if stride > 1 else dilation
    assume(padding == "same" or all(d * dilation - dilation < n for d, n in zip(kernel, shape, strict=False)))
    equal_layer(lambda: L.Conv2D(3, kernel, stride, padding, dilation_rate=dilation), shape)


@given(shape=space, kernel=pairs, stride=pairs, padding=st.sampled_from(["same", "valid"]))
@example(shape=(4, 4, 2), kernel=(1, 1), stride=(3, 2), padding="same")
@quickly
def test_transposed_convolutions_of_any_window(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], padding: str
) -> None:
    equal_layer(lambda: L.Conv2DTranspose(3, kernel, stride, padding), shape)


@given(shape=space, kernel=pairs, stride=pairs, padding=st.sampled_from(["same", "valid"]))
@quickly
def test_max_pools_of_any_window(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], padding: str
) -> None:
    equal_layer(lambda: L.MaxPooling2D(kernel, stride, padding), shape)


@given(shape=space, kernel=pairs, stride=pairs, padding=st.sampled_from(["same", "valid"]))
@quickly
def test_average_pools_are_equal_or_refused(
    shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], padding: str
) -> None:
    try:
        equal_layer(lambda: L.AveragePooling2D(kernel, stride, padding), shape)
    except UnsupportedOperator as refusal:
        assert "uneven" in str(refusal)  # noqa: PT017 (Hypothesis tries both)
        assert padding == "same"


def test_batch_norm_behind_the_activation_and_channels_first_models() -> None:
    with quiet():
        equal_network(
            sequential(
                (3, 8, 8),
                L.Conv2D(4, 3, activation="relu", data_format="channels_first", padding="same"),
                L.BatchNormalization(axis=1),
                L.MaxPooling2D(data_format="channels_first"),
                L.Flatten(data_format="channels_first"),
                L.Dense(3),
            )
        )


def test_leaky_units_are_made_of_relus() -> None:
    network = equal_layer(lambda: L.LeakyReLU(negative_slope=0.2), IMAGE)
    assert [type(node) for node in network.nodes].count(Activation) == 2


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: L.ReLU(threshold=0.5), "threshold=0"),
        (lambda: L.AveragePooling2D(2, padding="same"), "uneven"),
        (lambda: L.UpSampling2D(2, interpolation="bicubic"), "bicubic"),
        (lambda: L.BatchNormalization(axis=2), "axis 2"),
        (lambda: L.LayerNormalization(axis=1), "last ones"),
        (lambda: L.LayerNormalization(rms_scaling=True), "rms_scaling=False"),
        (lambda: L.Activation("sparse_plus"), "sparse_plus"),
        (lambda: L.Normalization(invert=True, mean=0.0, variance=1.0), "inverted"),
        (lambda: L.Resizing(3, 3), "before the network"),
        (lambda: L.Lambda(lambda x: x + 1), "never runs"),
        (lambda: L.Conv2D(3, 2, activation=lambda x: x * 2), "no name of a Keras function"),
    ],
)
def test_refusals_say_why(make: Callable[[], Any], reason: str) -> None:
    with quiet(), pytest.raises(UnsupportedOperator, match=reason):
        keras_model(sequential((7, 7, 4), make()))


def test_everything_unsupported_is_listed_at_once() -> None:
    x = keras.Input((6, 6, 2), name="x")
    inner = keras.Sequential([keras.Input((6, 6, 2)), L.Resizing(3, 3, name="small")], name="inner")
    model = keras.Model(x, L.Masking(name="mask")(L.UnitNormalization(name="unit")(inner(x))))
    with pytest.raises(UnsupportedOperator) as caught:
        keras_model(model)
    lines = str(caught.value).splitlines()
    assert lines[0] == "respike cannot convert 3 part(s) of the network:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        *("inner/small (Resizing)", "unit (UnitNormalization)", "mask (Masking)")
    ]
