"""Recurrent layers, unrolled over the time steps of the example into feed-forward nodes.

The same neurons compute an activation at every time step; its nodes carry their common name (`Activation.population`).
Layers start from zero. Biases are added where they can be: into the weights of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from respike.frontends.semantics.call import Call, Layout, Operand, Refused, Signal, Translator, anywhere, weights
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


def unroll(
    step: Step,
    call: Call,
    x: Operand,
    initial: Sequence[Operand],
    parameters: Sequence[Operand],
    biases: bool,
    layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Signal, ...]:
    """Layer after layer, a cell for every time step; the outputs of all steps, and the last states of all layers."""
    source = anywhere(x)
    if source.layout != Layout(source.shape, 0 if batch_first else 1) or source.ndim != 3:
        raise Refused("takes a sequence for the batch; give it [batch, time, features] and batch_first=True")
    if not all(isinstance(state, Tensor) and not bool(state.any()) for state in initial):
        raise Refused("starts from a state that is not zero; let it start from zero")
    directions = 2 if bidirectional else 1
    cells = list(_cells(call, [weights(parameter) for parameter in parameters], biases, layers, bidirectional))
    sequence = _steps(call, source)
    last: list[State] = []
    for number in range(0, layers * directions, directions):
        ways = []
        for cell in cells[number : number + directions]:
            ways.append(_run(step, cell, sequence))
            last.append(ways[-1][0 if cell.backward else -1])
        hidden = [tuple(state[0] for state in states) for states in zip(*ways, strict=True)]
        sequence = [call.emit(Concat(f"{call.name}.both", both, 1)) if bidirectional else both[0] for both in hidden]
    outputs = _stacked(call, sequence, directions * cells[0].size, source.layout.batch)
    return (outputs, *(_stacked(call, names, cells[0].size, 1) for names in zip(*last, strict=True)))


def lstm(call: Call, x: Operand, initial: Sequence[Operand], *options: Any) -> tuple[Signal, ...]:
    """`torch.nn.LSTM`, whose initial state is a pair."""
    return unroll(lstm_step, call, x, initial, *options)


def single(step: Step) -> Translator:
    def translate(call: Call, x: Operand, initial: Operand, *options: Any) -> tuple[Signal, ...]:
        return unroll(step, call, x, (initial,), *options)

    return translate


def _cells(call: Call, parameters: Sequence[Tensor], biases: bool, layers: int, bidirectional: bool) -> Iterator[Cell]:
    """Layer by layer, forward and backward, as PyTorch orders the parameters."""
    each = 4 if biases else 2
    directions = 2 if bidirectional else 1
    if len(parameters) != layers * directions * each:
        raise Refused("projects its hidden state (proj_size), which is not supported; put a Linear layer behind it")
    for number in range(layers * directions):
        layer, backward = divmod(number, directions)
        suffix = f".l{layer}" if layers > 1 else ""
        name = f"{call.name}{suffix}{'.reverse' if backward else ''}"
        own = parameters[number * each : (number + 1) * each]
        input_bias, hidden_bias = own[2:] if biases else (None, None)
        yield Cell(call, name, own[0], own[1], input_bias, hidden_bias, backward=bool(backward))


def _run(step: Step, cell: Cell, sequence: Sequence[str]) -> list[State]:
    """The states after each time step, in the order of time."""
    states: list[State] = []
    for x in reversed(sequence) if cell.backward else sequence:
        states.append(step(cell, x, states[-1] if states else ()))
    return states[::-1] if cell.backward else states


def _steps(call: Call, source: Signal) -> list[str]:
    """The input of each time step."""
    steps, features = source.shape
    slices = (call.emit(Slice(f"{call.name}.step", (source.name,), 1, t, t + 1)) for t in range(steps))
    return [call.emit(Reshape(f"{call.name}.squeeze", (name,), (features,))) for name in slices]


def _stacked(call: Call, names: Sequence[str], size: int, batch: int) -> Signal:
    """Vectors of `size` elements one behind the other, along a new dimension."""
    rows = tuple(call.emit(Reshape(f"{call.name}.unsqueeze", (name,), (1, size))) for name in names)
    return Signal(call.emit(Concat(f"{call.name}.stack", rows, 1)), Layout((len(rows), size), batch))
