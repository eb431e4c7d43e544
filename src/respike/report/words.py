"""What a report says, in words that a newcomer understands."""

from __future__ import annotations

from respike.measure import Report


def headline(report: Report) -> str:
    """The one sentence: what is lost, and what it costs."""
    return f"{report.network} as a spiking network, by {report.method}: {_loss(report)}, {_energy(report)}."


def sentences(report: Report, images: int) -> dict[str, str]:
    """The headline and what stands under each of its four numbers."""
    return {
        "headline": headline(report),
        "accuracy": _accuracy(report),
        "steps": _steps(report),
        "spikes": (
            f"A neuron fires {_number(report.spikes_per_neuron)} times for an image, on average over "
            f"{report.neurons:,} neurons."
        ),
        "energy": (
            "The arithmetic of the spiking network over that of the original: additions where there were "
            "multiplications. Memory and communication are left out."
        ),
        "complete": (
            ""
            if report.complete and report.images == images
            else f"This run was interrupted: it covers the first {report.images:,} images only."
        ),
    }


def _accuracy(report: Report) -> str:
    one = f"One image is {100 / report.images:.2g} points."
    if not report.labelled:
        return (
            f"{_percent(report.accuracy[-1])} of {report.images:,} images are classified as by the original network; "
            f"they have no labels, so nobody knows whether it is right. {one}"
        )
    return (
        f"{_percent(report.accuracy[-1])} of {report.images:,} images are classified correctly; the original "
        f"network gets {_percent(report.network_accuracy)}. {one}"
    )


def _loss(report: Report) -> str:
    points = 100 * (report.network_accuracy - report.accuracy[-1])
    if not report.labelled:
        return f"{_percent(report.accuracy[-1])} of its decisions are kept"
    if abs(points) < 0.005:
        return "no accuracy is lost"
    change = "lost" if points > 0 else "gained"
    return f"{abs(points):.2f} points of accuracy {'are' if abs(points) != 1 else 'is'} {change}"


def _energy(report: Report) -> str:
    ratio = report.energy_ratio
    if 0.95 < ratio < 1.05:
        return "for about the same arithmetic energy"
    if ratio < 1:
        return f"for {_percent(ratio, 0)} of the arithmetic energy"
    return f"for {_number(ratio)} times the arithmetic energy"


def _steps(report: Report) -> str:
    text = f"Time steps until an image's output is complete; the next image can follow after {report.interval:,}. "
    reached = report.steps_to_network_accuracy
    within = f"{100 * report.tolerance:.3g} points of the original's"
    if reached is None:
        return text + f"The accuracy never comes to stay within {within}."
    return text + f"The accuracy stays within {within} from step {reached:,} on."


def _percent(fraction: float, decimals: int = 2) -> str:
    return f"{100 * fraction:.{decimals}f} %"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
