"""Recurrent layers over `[batch, time, features]`, unrolled."""

from __future__ import annotations

import torch
from torch import Tensor

from respike.frontends.keras.call import LayerCall
from respike.frontends.semantics import Refused, Signal, Translator, recurrent
from respike.frontends.semantics.meaning import means

_GATES = {"SimpleRNN": (0,), "LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2)}
"""The places of PyTorch's gates in Keras' kernels: `i, f, c, o` of an LSTM, `z, r, h` of a GRU."""


@means(recurrent.unroll)
def layer(call: LayerCall, x: Signal, *more: object) -> tuple[Signal, ...]:
    """The outputs of all time steps or of the last one, and the last states if so asked."""
    if more:
        raise Refused("is given an initial state, or other arguments; let it start from zero")
    backwards = bool(call.option("go_backwards", False))
    sequence = recurrent.time_steps(call, call.plain(x), 0)
    result = recurrent.unroll(call, _kind(call), sequence, [_weights(call)], backwards=backwards)
    (hidden,), (last,) = result.hidden, result.last
    if call.option("return_sequences", False):
        outputs = recurrent.stacked(call, hidden[::-1] if backwards else hidden, 0)
    else:
        outputs = recurrent.vector(call, last[0])
    states = tuple(recurrent.vector(call, name) for name in last)
    return (outputs, *states) if call.option("return_state", False) else (outputs,)


def _kind(call: LayerCall) -> str:
    """The cell, if it is one that PyTorch has too."""
    function, gate = call.option("activation", "tanh"), call.option("recurrent_activation", "sigmoid")
    if call.option("stateful", False):
        raise Refused("keeps its state from batch to batch; use stateful=False")
    if call.kind == "SimpleRNN" and function in ("relu", "tanh"):
        return f"rnn_{function}"
    if call.kind == "SimpleRNN" or (function, gate) != ("tanh", "sigmoid"):
        raise Refused(f"has the activations {function!r} and {gate!r}; tanh and sigmoid are read (relu by SimpleRNN)")
    if call.kind == "GRU" and not call.option("reset_after", True):
        raise Refused("resets before the matrix product; use reset_after=True")
    return call.kind.lower()


def _weights(call: LayerCall) -> recurrent.Weights:
    """The weights with the gates in PyTorch's order; kernels are `[inputs, gates · hidden]`."""
    kernel, hidden = (_ordered(call, call.variables[name].t()) for name in ("kernel", "recurrent_kernel"))
    bias = call.variables.get("bias")
    if bias is None:
        return recurrent.Weights(kernel, hidden)
    first, second = bias if bias.ndim == 2 else (bias, torch.zeros_like(bias))
    return recurrent.Weights(kernel, hidden, _ordered(call, first), _ordered(call, second))


def _ordered(call: LayerCall, values: Tensor) -> Tensor:
    order = _GATES[call.kind]
    parts = values.chunk(len(order))
    return torch.cat([parts[n] for n in order])


RECURRENT: dict[str, Translator] = dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), layer)
