"""What names on the command line stand for: the input coding and the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from respike import metrics
from respike.cli import console
from respike.cli.importing import imported, is_own, own_code
from respike.coding import Bernoulli, Coding, ConstantCurrent, Frames, IntegrateEncoder
from respike.engines import ALL, Engine
from respike.errors import InvalidOption, UnknownName

CODINGS: Mapping[str, type[Coding]] = {
    "constant": ConstantCurrent,
    "bernoulli": Bernoulli,
    "integrate": IntegrateEncoder,
    "frames": Frames,
}


def coding(name: str | None, **numbers: float | int | None) -> Coding | None:
    """The input coding of that name, or None: the method's own. Numbers that are None keep the coding's defaults."""
    if name is None:
        if needy := [option for option, value in numbers.items() if value is not None and option != "seed"]:
            raise InvalidOption(f"--{needy[0]} needs --coding, because otherwise the method chooses the input coding")
        if numbers.get("seed") is not None:
            console.warning("--seed has no effect without --coding bernoulli")
        return None
    if name not in CODINGS:
        raise UnknownName("coding", name, CODINGS)
    given = {option: value for option, value in numbers.items() if value is not None}
    taken = {field.name for field in fields(CODINGS[name])}
    if "seed" in given.keys() - taken:
        console.warning(f"--seed has no effect: {name} input is not random")
        del given["seed"]
    for option in given.keys() - taken:
        owners = [other for other, kind in CODINGS.items() if option in {field.name for field in fields(kind)}]
        raise InvalidOption(f"--{option} does not apply to {name} input; it is for --coding {' or '.join(owners)}")
    return CODINGS[name](**given)  # type: ignore[arg-type]


def metric(text: str | None) -> metrics.Metric | None:
    """The metric of that name, `name:option=N` with an option, or what the user's own `module:function` returns."""
    if text is None:
        return None
    if is_own(text):
        function = imported(text, "metric")
        with own_code(text):
            found = function()
        if isinstance(found, type) or not isinstance(found, metrics.Metric):
            raise InvalidOption(f"{text} returned a {type(found).__name__}, and it must return a metrics.Metric")
        return found
    name, *given = text.split(":")
    known = metrics.named()
    if name.replace("-", "_") not in known:
        raise UnknownName("metric", name, known)
    kind = known[name.replace("-", "_")]
    taken = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    pairs = [pair.partition("=")[::2] for pair in given]
    for option, value in pairs:
        if option not in taken:
            listed = f"its options: {', '.join(taken)}" if taken else "it has none"
            raise InvalidOption(f"the metric {name} has no option {option!r} ({listed})")
        if not value.isdigit():
            raise InvalidOption(f"{option} of the metric {name} takes a whole number, not {value!r}")
    return kind(**{option: int(value) for option, value in pairs})


def engine(name: str | None) -> Engine | None:
    """The engine of that name; None stands for the fastest."""
    if name is None:
        return None
    if name not in ALL:
        raise UnknownName("engine", name, ALL)
    return ALL[name]
