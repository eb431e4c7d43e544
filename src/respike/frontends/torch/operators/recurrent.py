"""Recurrent layers, unrolled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from respike.frontends.semantics import recurrent
from respike.frontends.semantics.call import Call, Operand, Refused, Signal, Translator, weights
from respike.frontends.semantics.meaning import means


def recurrent_layer(kind: str) -> Callable[..., tuple[Signal, ...]]:
    """`torch.nn.RNN`, `GRU` and `LSTM`, whose initial state is a pair."""

    @means(recurrent.unroll)
    def translate(
        call: Call,
        x: Operand,
        initial: Operand | Sequence[Operand],
        parameters: Sequence[Operand],
        biases: bool,
        count: int,
        dropout: float,
        training: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Signal, ...]:
        recurrent.check_initial(initial if isinstance(initial, Sequence) else [initial])
        batch = 0 if batch_first else 1
        sequence = recurrent.time_steps(call, x, batch)
        last: list[recurrent.State] = []
        for number, directions in enumerate(_layers(parameters, biases, count, 2 if bidirectional else 1)):
            name = f".l{number}" if count > 1 else ""
            layer = recurrent.unroll(call, kind, sequence, directions, layer=name)
            sequence = recurrent.joined(call, layer)
            last.extend(layer.last)
        outputs = recurrent.stacked(call, sequence, batch)
        return (outputs, *(recurrent.stacked(call, names, 1) for names in zip(*last, strict=True)))

    return translate


def _layers(parameters: Sequence[Operand], biases: bool, count: int, directions: int) -> list[list[recurrent.Weights]]:
    """Layer by layer, forward and backward, as PyTorch orders the parameters."""
    each = 4 if biases else 2
    if len(parameters) != count * directions * each:
        raise Refused("projects its hidden state (proj_size), which is not supported; put a Linear layer behind it")
    tensors = [weights(parameter) for parameter in parameters]
    own = [recurrent.Weights(*tensors[start : start + each]) for start in range(0, len(tensors), each)]
    return [own[start : start + directions] for start in range(0, len(own), directions)]


aten = torch.ops.aten

RECURRENT: dict[object, Translator] = {
    aten.rnn_relu: recurrent_layer("rnn_relu"),
    aten.rnn_tanh: recurrent_layer("rnn_tanh"),
    aten.gru: recurrent_layer("gru"),
    aten.lstm: recurrent_layer("lstm"),
}
