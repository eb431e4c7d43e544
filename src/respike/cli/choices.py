"""What names on the command line stand for: the input coding and the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from respike.cli import console
from respike.coding import Bernoulli, Coding, ConstantCurrent, IntegrateEncoder
from respike.engines import ALL, Engine
from respike.errors import InvalidOption, UnknownName

CODINGS: Mapping[str, type[Coding]] = {
    "constant": ConstantCurrent,
    "bernoulli": Bernoulli,
    "integrate": IntegrateEncoder,
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


def engine(name: str | None) -> Engine | None:
    """The engine of that name; None stands for the fastest."""
    if name is None:
        return None
    if name not in ALL:
        raise UnknownName("engine", name, ALL)
    return ALL[name]
