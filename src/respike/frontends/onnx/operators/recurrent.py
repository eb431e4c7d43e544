"""Recurrent layers, whose sequences are `[time, batch, features]` or, by `layout`, `[batch, time, features]`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from respike.frontends.onnx.call import Operator, whole_numbers
from respike.frontends.semantics import Refused, Signal, recurrent, shaping
from respike.frontends.semantics.call import Operand, Translator, any_numbers, optional, weights
from respike.frontends.semantics.meaning import means

_GATES = {"RNN": (0,), "LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2)}
"""The places of PyTorch's gates in ONNX's weights: `i, o, f, c` of an LSTM, `z, r, h` of a GRU."""
_FUNCTIONS = {"RNN": ("Tanh",), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}


@means(recurrent.unroll)
def layer(op: Operator, x: Operand, weight: Operand, recurrence: Operand, bias: Operand | None = None,
          lengths: Operand | None = None, *more: Operand | None) -> tuple[Signal, ...]:  # fmt: skip
    """One layer in one direction or two; the outputs of all steps and the last states."""
    way = op.text("direction", "forward")
    directions = 2 if way == "bidirectional" else 1
    kind = _kind(op, directions)
    time, batch = (1, 0) if op.integer("layout", 0) else (0, 1)
    _check(op, x, lengths, time, more)
    given = weights(weight), weights(recurrence), optional(bias)
    own = [_weights(op.kind, *(None if value is None else value[n] for value in given)) for n in range(directions)]
    sequence = recurrent.time_steps(op, x, batch)
    result = recurrent.unroll(op, kind, sequence, own, backwards=way == "reverse")
    both = [recurrent.stacked(op, names, batch) for names in result.hidden]
    outputs = shaping.stack(op, both, 2 if batch == 0 else 1)
    return (outputs, *(recurrent.stacked(op, states, batch) for states in zip(*result.last, strict=True)))


def _kind(op: Operator, directions: int) -> str:
    """The cell, if it is one that PyTorch has too."""
    named = [f.decode() if isinstance(f, bytes) else str(f) for f in op.attributes.get("activations", ())]
    usual = list(_FUNCTIONS[op.kind]) * directions
    if op.kind == "RNN" and named == ["Relu"] * directions:
        return "rnn_relu"
    if named and [name.capitalize() for name in named] != usual:
        raise Refused(f"has the activations {named}; {usual} are read")
    if op.attributes.get("clip"):
        raise Refused("clips what its cells receive, which is not read; leave clip out")
    if op.integer("input_forget", 0):
        raise Refused("couples the input and the forget gate, which is not read; set input_forget to 0")
    if op.kind == "GRU" and not op.integer("linear_before_reset", 0):
        raise Refused("resets before the matrix product; use linear_before_reset = 1, as PyTorch exports it")
    return "rnn_tanh" if op.kind == "RNN" else op.kind.lower()


def _check(op: Operator, x: Operand, lengths: Operand | None, time: int, more: Sequence[Operand | None]) -> None:
    steps = any_numbers(x).layout.size(time)
    if lengths is not None and any(length != steps for length in whole_numbers(lengths, "sequence lengths")):
        raise Refused("takes sequences of different lengths; pad them to one length")
    recurrent.check_initial(more[:2])
    if any(isinstance(peephole, Tensor) and bool(peephole.any()) for peephole in more[2:]):
        raise Refused("has peepholes, which are not read; train it without")


def _weights(kind: str, weight: Tensor | None, recurrence: Tensor | None, bias: Tensor | None) -> recurrent.Weights:
    """The weights of one direction, with the gates in PyTorch's order."""
    order = _GATES[kind]
    ordered: Callable[[Tensor], Tensor] = lambda t: torch.cat([t.chunk(len(order))[n] for n in order])  # noqa: E731
    if bias is None:
        return recurrent.Weights(ordered(weights(weight)), ordered(weights(recurrence)))
    first, second = bias.chunk(2)
    return recurrent.Weights(ordered(weights(weight)), ordered(weights(recurrence)), ordered(first), ordered(second))


RECURRENT: dict[str, Translator] = {"RNN": layer, "LSTM": layer, "GRU": layer}
