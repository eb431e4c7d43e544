"""Figures 3a, 3c, 4 and 5."""

from __future__ import annotations

from collections.abc import Mapping

from papers.ecc.histograms import EXPECTED, Counts
from papers.ecc.outcomes import Outcome
from papers.intervals import Estimate
from papers.workbench import Workbench
from torch import Tensor

from papers import figures

COLOURS = {
    "2017-SNN": figures.ORANGE,
    "RMP-SNN(0.8)": figures.GREEN,
    "RMP-SNN(0.9)": figures.PINK,
    "ECC-SNN": figures.BLUE,
}


def draw_comparison(bench: Workbench, runs: Mapping[tuple[str, int], Outcome], network: Tensor, images: int) -> None:
    """Figures 3c to 3e: accuracy and operations over the steps, and over each other, on the first images."""
    network = network[:images]
    titles = [f"count mode, {len(network):,} images", "operations of an image", "accuracy over operations"]
    figure, axes = figures.panels(titles, "steps", "accuracy (%)")
    axes[1].set_ylabel("the paper's MOps")
    axes[2].set_xlabel("the paper's MOps")
    for name, colour in COLOURS.items():
        steps = sorted(steps for other, steps in runs if other == name)
        accuracy = [_percent(runs[name, one].right[0, :images]) for one in steps]
        mops = [float(runs[name, one].mops[:images].mean()) for one in steps]
        axes[0].plot(steps, accuracy, "o-", color=colour, label=name, markersize=4)
        axes[1].plot(steps, mops, "o-", color=colour, label=name, markersize=4)
        axes[2].plot(mops, accuracy, "o-", color=colour, label=name, markersize=4)
    for axis in axes:
        axis.set_xscale("log", base=2)
    axes[1].set_yscale("log", base=2)
    for axis in (axes[0], axes[2]):
        axis.axhline(_percent(network), color=figures.GREY, linestyle="--", linewidth=1, label="the network")
        figures.near(axis, _percent(network), 26, 2)
    axes[0].legend(fontsize=8)
    figures.save(figure, bench.figures / "figure3c.png")


def draw_ingredients(bench: Workbench, bars: Mapping[str, Estimate]) -> None:
    """Figure 3a: the loss with one ingredient more from bar to bar."""
    figure, (axis,) = figures.panels(["count mode"], "", "points lost")
    values = [bar.value for bar in bars.values()]
    below = [bar.value - bar.low for bar in bars.values()]
    above = [bar.high - bar.value for bar in bars.values()]
    axis.bar(range(len(bars)), values, yerr=[below, above], color=figures.BLUE, width=0.6)
    axis.set_xticks(range(len(bars)), [name.replace(", ", ",\n") for name in bars], fontsize=7)
    axis.set_yscale("symlog", linthresh=1)
    figures.save(figure, bench.figures / "figure3a.png")


def draw_bits(bench: Workbench, bits: Mapping[tuple[int, int], Outcome], images: int) -> None:
    """Figure 4: accuracy over the steps for each bit width, on the first images."""
    figure, (axis,) = figures.panels([f"count mode, {images:,} images"], "steps", "accuracy (%)")
    colours = (figures.GREY, figures.BLUE, figures.GREEN, figures.ORANGE, figures.PINK)
    for colour, number in zip(colours, dict.fromkeys(number for number, _ in bits), strict=True):
        steps = sorted(steps for other, steps in bits if other == number if steps <= 256)
        shown = [_percent(bits[number, one].right[0, :images]) for one in steps]
        axis.plot(
            steps, shown, "o-", color=colour, label=f"{number} bits" if number else "floating point", markersize=4
        )
    axis.set_xscale("log", base=2)
    axis.legend(fontsize=8)
    figures.save(figure, bench.figures / "figure4.png")


def draw_spikes(bench: Workbench, counts: Counts) -> None:
    """Figure 5: how many neurons send how many spikes, layer by layer."""
    titles = [f"{layer}, {counts.steps} steps" for layer in counts.layers]
    figure, axes = figures.panels(titles, "spikes of a neuron", "neurons")
    colours = {
        "2017-SNN": figures.ORANGE,
        "ECC-SNN": figures.BLUE,
        "ECC-SNN, 2/3": figures.GREEN,
        EXPECTED: figures.GREY,
    }
    for axis, layer in zip(axes, counts.layers, strict=True):
        for name, colour in colours.items():
            numbers = counts.spikes[name][layer]
            axis.plot(range(len(numbers)), numbers, color=colour, label=name, linewidth=1.2)
        axis.set_yscale("log")
    axes[0].legend(fontsize=8)
    figures.save(figure, bench.figures / "figure5.png")


def _percent(right: Tensor) -> float:
    return 100 * float(right.double().mean())
