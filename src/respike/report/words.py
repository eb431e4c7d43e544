"""What a report says, in words that a newcomer understands."""

from __future__ import annotations

from respike.measure import Cost, Report


def headline(report: Report, name: str = "") -> str:
    """The one sentence: what is lost, and what it costs, at the step from which on the accuracy stays."""
    at = report.headline
    when = f", read after step {at.step:,}" if at.step != report.latency else ""
    return (
        f"{report.network} as a spiking network, by {name or report.method}{when}: {_loss(report, at)}, {_energy(at)}."
    )


def sentences(report: Report, images: int, name: str = "") -> dict[str, str]:
    """The headline and what stands under each of its four numbers."""
    at, end = report.headline, report.end
    later = at.step != end.step
    return {
        "headline": headline(report, name),
        "accuracy": _accuracy(report) + (f" After all steps: {_percent(end.accuracy)}." if later else ""),
        "steps": _steps(report),
        "spikes": (
            f"A neuron fires {_number(at.spikes_per_neuron)} times for an image until then, on average over "
            f"{report.neurons:,} neurons."
            + (f" In all steps: {_number(end.spikes_per_neuron)} times." if later else "")
        ),
        "energy": (
            "The arithmetic of the spiking network until then over that of the original: additions where there were "
            "multiplications. Memory and communication are left out."
            + (f" After all steps: {_number(end.energy_ratio)} ×." if later else "")
        ),
        "complete": (
            ""
            if report.complete and report.images == images
            else f"This run was interrupted: it covers the first {report.images:,} images only."
        ),
    }


def _accuracy(report: Report) -> str:
    at = report.headline
    interval = f"({_percent(at.low)} to {_percent(at.high)}: 95 % confidence)"
    if not report.labelled:
        return (
            f"{_percent(at.accuracy)} of {report.images:,} images are classified as the original does {interval}; "
            "they have no labels, so nobody knows whether it is right."
        )
    return (
        f"{_percent(at.accuracy)} of {report.images:,} images are classified correctly {interval}; the original "
        f"network gets {_percent(report.network_accuracy)}{_rounded(report)}."
    )


def _rounded(report: Report) -> str:
    """The baseline, where there is one."""
    if report.rounded_accuracy is None:
        return ""
    return f", and {_percent(report.rounded_accuracy)} with activations rounded to as many levels"


def _loss(report: Report, at: Cost) -> str:
    points = 100 * (report.network_accuracy - at.accuracy)
    if not report.labelled:
        return f"{_percent(at.accuracy)} of its decisions are kept"
    if abs(points) < 0.005:
        return "no accuracy is lost"
    written = f"{abs(points):.2f}"
    what = "point of accuracy is" if written == "1.00" else "points of accuracy are"
    return f"{written} {what} {'lost' if points > 0 else 'gained'}"


def _energy(at: Cost) -> str:
    ratio = at.energy_ratio
    if 0.95 < ratio < 1.05:
        return "for about the same arithmetic energy"
    if ratio < 1:
        return f"for {_percent(ratio, 0)} of the arithmetic energy"
    return f"for {_number(ratio)} times the arithmetic energy"


def _steps(report: Report) -> str:
    reached = report.steps_to_network_accuracy
    decisions = f"{report.decisions:,} decision{'' if report.decisions == 1 else 's'}"
    within = f"{decisions} of {report.images:,} ({100 * report.tolerance:.2g} points)"
    run = f"The run has {report.latency:,} steps; the next image can follow after {report.interval:,}."
    if reached is None:
        return f"The accuracy never comes to stay within {within} of the original's. {run}"
    return f"From this step on the accuracy stays within {within} of the original's. {run}"


def _percent(fraction: float, decimals: int = 2) -> str:
    return f"{100 * fraction:.{decimals}f} %"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
