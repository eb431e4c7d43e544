"""`keras.ops`, recurrent layers and attention against Keras, from live models and from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from frontends.keras_models import equal_network, keras, layers, trained
from respike import load
from respike.errors import RespikeError, UnsupportedOperator
from respike.frontends.keras.original import quiet

O = keras.ops  # noqa: E741
ROWS = (4, 6)
OPERATIONS: list[Callable[[Any], Any]] = [
    lambda x: O.maximum(x, -x) + O.minimum(x, 0.3) + O.abs(x),
    lambda x: x / (1 + x * x) + O.reciprocal(1 + O.square(x)) + 2 / (x * x + 1),
    lambda x: x**2 + O.power(x, 1),
    lambda x: x * O.rsqrt(O.mean(x * x, axis=-1, keepdims=True) + 0.1),
    lambda x: x / O.sqrt(O.mean(O.square(x), axis=1, keepdims=True) + 0.1),
    lambda x: (x - O.mean(x, -1, keepdims=True)) / (O.std(x, -1, keepdims=True) + 0.1) + O.var(x, 1, keepdims=True),
    lambda x: O.clip(x, -0.2, 0.4) + O.leaky_relu(x, 0.1) + O.hard_tanh(x) + O.soft_shrink(x),
    lambda x: O.elu(x, 0.5) + O.celu(x) + O.selu(x) + O.gelu(x) + O.gelu(x, approximate=False) + O.hard_silu(x),
    lambda x: O.softplus(x) + O.log_sigmoid(x) + O.erf(x),
    lambda x: O.glu(x) + O.threshold(x, 0.1, 0.1)[:, :, :3],
    lambda x: O.mean(x, axis=1) + O.sum(x, axis=[1]) - O.max(x, axis=1) * O.min(x, axis=-2),
    lambda x: O.mean(x, axis=2, keepdims=True) * O.amax(x, axis=-1, keepdims=True),
    lambda x: O.concatenate([x, O.flip(x, 1), O.roll(x, 1, 2)], axis=1),
    lambda x: O.stack([x, -x], axis=2),
    lambda x: O.split(x, 2, axis=1)[1] + O.split(x, [3], axis=2)[0][:, 1:3, :1],
    lambda x: O.reshape(x, (-1, 3, 8)),
    lambda x: O.transpose(x, (0, 2, 1)) + O.swapaxes(x, 1, 2) + O.moveaxis(x, 2, 1),
    lambda x: O.squeeze(O.expand_dims(x, 1), 1) + O.expand_dims(x, 2)[:, :, 0],
    lambda x: O.pad(x, ((0, 0), (1, 2), (0, 1))) + O.pad(x, ((0, 0), (1, 2), (0, 1)), mode="reflect"),
    lambda x: O.repeat(x, 2, 1) + O.tile(x, (1, 2, 1)),
    lambda x: O.cumsum(x, 1) + O.softmax(x, 1) + O.ones_like(x),
    lambda x: O.take(x, [3, 0], 1) + O.take(x, 1, 1)[:, None],
    lambda x: x[:, ::2, -1] + x[:, :2, 1],
    lambda x: x @ O.transpose(x, (0, 2, 1)),
    lambda x: O.round(O.clip(x * 3, 0, 7)) / 3 + O.floor(O.clip(x, -2, 2)) + O.ceil(O.clip(x, 0, 3)),
    lambda x: O.tril(x) + O.triu(x, 1) * 2 + O.tril(x, -1),
    lambda x: x + O.stop_gradient(O.round(O.clip(x, 0, 2), 1) - x),
]


def operated(function: Callable[[Any], Any]) -> Any:
    with quiet():
        x = keras.Input(ROWS)
        return keras.Model(x, function(layers.Dense(6)(x)))


@pytest.mark.parametrize("function", OPERATIONS)
def test_operations(function: Callable[[Any], Any], tmp_path: Path) -> None:
    model = operated(function)
    network = equal_network(model)
    model.save(tmp_path / "model.keras")
    x = torch.randn(3, *ROWS)
    torch.testing.assert_close(load(tmp_path / "model.keras", x)(x), network(x))


RECURRENT: list[Callable[[], Any]] = [
    lambda: layers.SimpleRNN(3),
    lambda: layers.SimpleRNN(3, activation="relu", return_sequences=True, use_bias=False),
    lambda: layers.LSTM(3, return_sequences=True),
    lambda: layers.LSTM(3, use_bias=False, go_backwards=True),
    lambda: layers.GRU(3),
    lambda: layers.GRU(3, return_sequences=True, go_backwards=True),
]


@pytest.mark.parametrize("make", RECURRENT)
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_recurrent_layers_are_unrolled(make: Callable[[], Any], suffix: str, tmp_path: Path) -> None:
    with quiet():
        x = keras.Input(ROWS)
        model = trained(keras.Model(x, layers.Dense(2)(make()(x))))
        network = equal_network(model)
        model.save(tmp_path / f"model.{suffix}")
    batch = torch.randn(3, *ROWS)
    torch.testing.assert_close(load(tmp_path / f"model.{suffix}", batch)(batch), network(batch))


def test_states_of_recurrent_layers() -> None:
    with quiet():
        x = keras.Input(ROWS)
        outputs, hidden, cell = layers.LSTM(3, return_state=True)(x)
        equal_network(trained(keras.Model(x, [outputs, hidden + cell])))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_attention(suffix: str, tmp_path: Path) -> None:
    with quiet():
        x, y = keras.Input(ROWS), keras.Input((5, 6))
        many = layers.MultiHeadAttention(2, 3)(x, y)
        other = layers.MultiHeadAttention(2, 3, value_dim=2, output_shape=6, use_bias=False)(x, y, key=y)
        one = layers.Attention()([x, y])
        model = trained(keras.Model([x, y], layers.Add()([many, other, one])))
        network = equal_network(model)
        model.save(tmp_path / f"model.{suffix}")
    batch = torch.randn(3, *ROWS), torch.randn(3, 5, 6)
    torch.testing.assert_close(load(tmp_path / f"model.{suffix}", batch)(*batch), network(*batch))


def test_other_layers_that_others_read() -> None:
    with quiet():
        x, y = keras.Input((6,)), keras.Input((6,))
        largest, smallest = layers.Maximum()([x, y]), layers.Minimum()([x, y])
        rows = layers.RepeatVector(3)(layers.Add()([largest, smallest]))
        dots = layers.Dot(2)([rows, rows])
        equal_network(keras.Model([x, y], dots))
        words = keras.Input((3,), dtype="int32")
        table = keras.Model(words, layers.Dense(2)(layers.Embedding(7, 4)(words)))
    numbers = torch.randint(0, 7, (5, 3))
    with quiet():
        wanted = torch.tensor(O.convert_to_numpy(table(numbers.numpy())))
    torch.testing.assert_close(load(table, numbers)(numbers), wanted)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: layers.LSTM(3, stateful=True), "stateful=False"),
        (lambda: layers.GRU(3, reset_after=False), "reset_after=True"),
        (lambda: layers.LSTM(3, activation="relu"), "tanh and sigmoid are read"),
        (lambda: layers.Bidirectional(layers.LSTM(3)), "go_backwards=True"),
    ],
)
def test_layers_that_are_refused_say_what_to_do(make: Callable[[], Any], reason: str) -> None:
    with quiet():
        x = keras.Input(batch_shape=(2, *ROWS))
        model = keras.Model(x, make()(x))
    with pytest.raises(UnsupportedOperator, match=reason):
        load(model, torch.randn(2, *ROWS))


def test_masks_are_refused() -> None:
    with quiet():
        x = keras.Input(ROWS)
        model = keras.Model(x, layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True))
    with pytest.raises(RespikeError, match="mask"):
        load(model)
