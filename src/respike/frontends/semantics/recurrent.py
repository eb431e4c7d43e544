"""Recurrent layers, unrolled over the time steps of the example into feed-forward nodes.

The same neurons compute an activation at every time step; its nodes carry their common name (`Activation.population`).
Layers start from zero. Biases are added where they can be: into the weights of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from respike.frontends.semantics.call import Call, Layout, Operand, Refused, Signal, anywhere
from respike.ir import (
    Activation,
    Add,
    Concat,
    ElementwiseAffine,
    Function,
    Linear,
    Multiply,
    ReLU,
    Reshape,
    Sigmoid,
    Slice,
    Tanh,
)

State: TypeAlias = tuple[str, ...]
"""The nodes with the state after a time step: the hidden state, for an LSTM the cell's behind it."""


@dataclass(frozen=True, eq=False)
class Cell:
    """A layer in one direction, with PyTorch's weights: `[gates · hidden, inputs]` and `[gates · hidden, hidden]`."""

    call: Call
    name: str
    input_weight: Tensor
    hidden_weight: Tensor
    input_bias: Tensor | None
    hidden_bias: Tensor | None
    backward: bool

    @property
    def size(self) -> int:
        """The number of hidden neurons."""
        return self.hidden_weight.shape[1]

    def linear(self, kind: str, x: str, weight: Tensor, bias: Tensor | None) -> str:
        """`W x + b`."""
        return self.call.emit(Linear(f"{self.name}.{kind}", (x,), weight, bias))

    def part(self, gate: str, x: str, number: int) -> str:
        """The share of one gate in the values of all."""
        start = number * self.size
        return self.call.emit(Slice(f"{self.name}.{gate}.slice", (x,), 1, start, start + self.size))

    def neurons(self, gate: str, x: str, function: Function) -> str:
        """The population of a gate at one time step."""
        population = f"{self.name}.{gate}"
        return self.call.emit(Activation(population, (x,), function, population))

    def multiply(self, x: str, y: str) -> str:
        """`x · y`."""
        return self.call.emit(Multiply(f"{self.name}.mul", (x, y)))

    def scale(self, x: str, factor: Tensor | float) -> str:
        """A constant times `x`."""
        return self.call.emit(
            ElementwiseAffine(f"{self.name}.scale", (x,), self.call.constant(factor), self.call.constant(0.0))
        )

    def add(self, *inputs: str) -> str:
        """The sum."""
        return self.call.emit(Add(f"{self.name}.add", inputs))

    def charge(self, x: str, state: State) -> str:
        """What all gates receive, `W_ih x + b_ih + W_hh h + b_hh`."""
        bias = None if self.input_bias is None or self.hidden_bias is None else self.input_bias + self.hidden_bias
        charge = self.linear("weight_ih", x, self.input_weight, bias)
        return self.add(charge, self.linear("weight_hh", state[0], self.hidden_weight, None)) if state else charge


Step: TypeAlias = Callable[[Cell, str, State], State]
"""One time step of a cell: from an input and the state before it (empty at first) to the state after it."""


def rnn_relu_step(cell: Cell, x: str, state: State) -> State:
    """`h' = max(0, W_ih x + b_ih + W_hh h + b_hh)`."""
    return (cell.neurons("relu", cell.charge(x, state), ReLU()),)


def rnn_tanh_step(cell: Cell, x: str, state: State) -> State:
    """`h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`."""
    return (cell.neurons("tanh", cell.charge(x, state), Tanh()),)


def lstm_step(cell: Cell, x: str, state: State) -> State:
    """`i, f, o = σ(…)`, `g = tanh(…)`, `c' = f · c + i · g`, `h' = o · tanh(c')`."""
    charge = cell.charge(x, state)
    enters = cell.neurons("input_gate", cell.part("input_gate", charge, 0), Sigmoid())
    candidate = cell.neurons("candidate", cell.part("candidate", charge, 2), Tanh())
    memory = cell.multiply(enters, candidate)
    if state:
        stays = cell.neurons("forget_gate", cell.part("forget_gate", charge, 1), Sigmoid())
        memory = cell.add(cell.multiply(stays, state[1]), memory)
    leaves = cell.neurons("output_gate", cell.part("output_gate", charge, 3), Sigmoid())
    return cell.multiply(leaves, cell.neurons("cell", memory, Tanh())), memory


def gru_step(cell: Cell, x: str, state: State) -> State:
    """`r, z = σ(…)`, `n = tanh(W_in x + b_in + r · (W_hn h + b_hn))`, `h' = n + z · (h - n)`."""
    early, late = _gru_biases(cell)
    charge = cell.linear("weight_ih", x, cell.input_weight, early)
    told = cell.linear("weight_hh", state[0], cell.hidden_weight, late) if state else ""

    def gate(name: str, number: int) -> str:
        given = cell.part(name, charge, number)
        return cell.neurons(name, cell.add(given, cell.part(name, told, number)) if told else given, Sigmoid())

    resets, keeps = gate("reset_gate", 0), gate("update_gate", 1)
    given = cell.part("candidate", charge, 2)
    if told:
        given = cell.add(given, cell.multiply(resets, cell.part("candidate", told, 2)))
    elif late is not None:
        given = cell.add(given, cell.scale(resets, late[2 * cell.size :]))
    candidate = cell.neurons("candidate", given, Tanh())
    change = cell.scale(candidate, -1.0)
    change = cell.add(state[0], change) if state else change
    return (cell.add(candidate, cell.multiply(keeps, change)),)


def _gru_biases(cell: Cell) -> tuple[Tensor | None, Tensor | None]:
    """The biases that come with the input, and that of the candidate, which the reset gate multiplies."""
    if cell.input_bias is None or cell.hidden_bias is None:
        return None, None
    gated = torch.arange(len(cell.hidden_bias), device=cell.hidden_bias.device) >= 2 * cell.size
    return cell.input_bias + cell.hidden_bias * ~gated, cell.hidden_bias * gated


STEPS: dict[str, Step] = {
    "rnn_relu": rnn_relu_step,
    "rnn_tanh": rnn_tanh_step,
    "lstm": lstm_step,
    "gru": gru_step,
}


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of a layer in one direction: `[gates · hidden, inputs]`, `[gates · hidden, hidden]`, two biases.

    Gates stand in PyTorch's order: `i, f, g, o` of an LSTM, `r, z, n` of a GRU.
    """

    input: Tensor
    hidden: Tensor
    input_bias: Tensor | None = None
    hidden_bias: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Unrolled:
    """What a recurrent layer gives: for each direction, the nodes with the hidden state after each time step and the
    whole state after its last one.
    """

    size: int
    hidden: tuple[tuple[str, ...], ...]
    last: tuple[State, ...]


def unroll(
    call: Call,
    kind: str,
    sequence: Sequence[str],
    directions: Sequence[Weights],
    *,
    layer: str = "",
    backwards: bool = False,
) -> Unrolled:
    """One layer of a recurrent network, a cell for every time step; `STEPS` names its kinds.

    Args:
        call: the call that its nodes are named after.
        kind: which cell.
        sequence: the nodes with the input of each time step.
        directions: the weights of each direction; the second one starts at the end.
        layer: what distinguishes the names of this layer from those of others.
        backwards: whether the first direction starts at the end already.
    """
    ways, last = [], []
    for number, own in enumerate(directions):
        backward = backwards or number == 1
        name = f"{call.name}{layer}{'.reverse' if number else ''}"
        cell = Cell(call, name, own.input, own.hidden, own.input_bias, own.hidden_bias, backward)
        states = _run(STEPS[kind], cell, sequence)
        last.append(states[0 if backward else -1])
        ways.append(tuple(state[0] for state in states))
    return Unrolled(directions[0].hidden.shape[1], tuple(ways), tuple(last))


def joined(call: Call, layer: Unrolled) -> list[str]:
    """The hidden states of both directions one behind the other, for each time step."""
    steps = zip(*layer.hidden, strict=True)
    return [both[0] if len(both) == 1 else call.emit(Concat(f"{call.name}.both", both, 1)) for both in steps]


def time_steps(call: Call, x: Operand, batch: int) -> list[str]:
    """The nodes with each time step of a signal `[batch, time, features]`, or `[time, batch, features]`."""
    source = anywhere(x)
    if source.layout != Layout(source.shape, batch) or source.ndim != 3:
        raise Refused("takes a sequence for the batch; give it [batch, time, features] and batch_first=True")
    steps, features = source.shape
    slices = (call.emit(Slice(f"{call.name}.step", (source.name,), 1, t, t + 1)) for t in range(steps))
    return [call.emit(Reshape(f"{call.name}.squeeze", (name,), (features,))) for name in slices]


def check_initial(states: Sequence[Operand | None]) -> None:
    """Refuse a start from anything but zero."""
    if not all(state is None or (isinstance(state, Tensor) and not bool(state.any())) for state in states):
        raise Refused("starts from a state that is not zero; let it start from zero")


def stacked(call: Call, names: Sequence[str], batch: int) -> Signal:
    """Vectors one behind the other along a new dimension, in front of the batch or behind it."""
    (size,) = call.nodes.shape(names[0])
    rows = tuple(call.emit(Reshape(f"{call.name}.unsqueeze", (name,), (1, size))) for name in names)
    return Signal(call.emit(Concat(f"{call.name}.stack", rows, 1)), Layout((len(rows), size), batch))


def vector(call: Call, name: str) -> Signal:
    """The state of a layer after one time step."""
    return Signal(name, Layout(call.nodes.shape(name)))


def _run(step: Step, cell: Cell, sequence: Sequence[str]) -> list[State]:
    """The states after each time step, in the order of time."""
    states: list[State] = []
    for x in reversed(sequence) if cell.backward else sequence:
        states.append(step(cell, x, states[-1] if states else ()))
    return states[::-1] if cell.backward else states
