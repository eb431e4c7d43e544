"""The kernels themselves, in Triton's language. Imported only where a kernel runs.

They are plain functions: `launch` compiles them for a GPU, or hands them to Triton's interpreter for tensors on a CPU.
All arguments but the numbers are contiguous tensors, of which a kernel gets the address.
"""

from __future__ import annotations

import triton.language as tl


def integrate_fire(
    currents: tl.tensor,
    potentials: tl.tensor,
    totals: tl.tensor,
    thresholds: tl.tensor,
    extra_currents: tl.tensor,
    reset_value: tl.tensor,
    spikes: tl.tensor,
    last_potentials: tl.tensor,
    last_totals: tl.tensor,
    elements: tl.tensor,
    channels: tl.tensor,
    inner: tl.tensor,
    steps: tl.tensor,
    CHANGING: tl.constexpr,  # noqa: N803 (constants of a kernel are written so)
    INCLUSIVE: tl.constexpr,  # noqa: N803
    SIGNED: tl.constexpr,  # noqa: N803
    SUBTRACT: tl.constexpr,  # noqa: N803
    BLOCK: tl.constexpr,  # noqa: N803
) -> None:
    """All steps of `BLOCK` neurons; potentials and totals stay in registers from the first step to the last.

    `currents` is `[steps, elements]`, or `[elements]` where not `CHANGING`; thresholds and extra currents are
    `[channels]`, and a channel is `inner` neighbouring elements. The arithmetic is that of `Neuron.step`, operation by
    operation, and each is rounded on its own (`launch` turns fused multiply-adds off).
    """
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < elements
    channel = at // inner % channels
    threshold = tl.load(thresholds + channel)
    extra = tl.load(extra_currents + channel)
    value = tl.load(reset_value)
    potential = tl.load(potentials + at, mask=inside, other=0.0)
    total = tl.load(totals + at, mask=inside, other=0.0)
    current = tl.load(currents + at, mask=inside, other=0.0)
    for number in range(steps):
        potential = potential + (current + extra)
        if CHANGING:  # the next step's current is under way while this step fires
            currents += elements
            more = tl.full((BLOCK,), number + 1, tl.int32) < steps
            current = tl.load(currents + at, mask=inside & more, other=0.0)
        up = potential >= threshold if INCLUSIVE else potential > threshold
        fired = tl.where(up, 1.0, 0.0).to(potential.dtype)
        if SIGNED:
            fired -= tl.where((potential < 0) & (total > 0), 1.0, 0.0).to(potential.dtype)
        potential = potential - threshold * fired if SUBTRACT else tl.where(up, value, potential)
        total += fired
        tl.store(spikes + at, fired.to(tl.int8), mask=inside)
        spikes += elements
    tl.store(last_potentials + at, potential, mask=inside)
    tl.store(last_totals + at, total, mask=inside)


def spikes_times_weights(
    spikes: tl.tensor,
    pieces: tl.tensor,
    sums: tl.tensor,
    rows: tl.tensor,
    outputs: tl.tensor,
    inputs: tl.tensor,
    size: tl.tensor,
    PIECES: tl.constexpr,  # noqa: N803
    FACTOR: tl.constexpr,  # noqa: N803
    SUM: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    DEPTH: tl.constexpr,  # noqa: N803
) -> None:
    """`Σ_p spikes · pieces[p]ᵀ`, a tile of `ROWS · COLUMNS` sums of the type `SUM`, factors of the type `FACTOR`.

    `spikes` is int8 `[rows, inputs]`, `pieces` `[PIECES, outputs, inputs]`, `sums` `[rows, outputs]`;
    `size` is `outputs · inputs`.
    """
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.program_id(1).to(tl.int64) * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    total = tl.full((ROWS, COLUMNS), 0, SUM)
    for start in range(0, inputs, DEPTH):
        across, down = start + tl.arange(0, DEPTH)[None, :], start + tl.arange(0, DEPTH)[:, None]
        tile = tl.load(spikes + row * inputs + across, mask=(row < rows) & (across < inputs), other=0)
        for piece in tl.static_range(PIECES):
            weights = tl.load(
                pieces + piece * size + column * inputs + down, mask=(column < outputs) & (down < inputs), other=0
            )
            total = tl.dot(tile.to(FACTOR), weights.to(FACTOR), total, out_dtype=SUM)
    tl.store(sums + row * outputs + column, total, mask=(row < rows) & (column < outputs))
