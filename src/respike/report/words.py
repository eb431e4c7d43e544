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


def interrupted(report: Report, images: int) -> str:
    """What a run that ended early covers; empty where it covers all `images`."""
    if report.complete and report.images == images:
        return ""
    return f"This run was interrupted: it covers the first {report.images:,} images only."


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


def _percent(fraction: float, decimals: int = 2) -> str:
    return f"{100 * fraction:.{decimals}f} %"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
