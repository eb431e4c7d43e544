"""A method's options as flags."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respike import methods
from respike.cli import options
from respike.errors import InvalidOption
from respike.neurons import Subtract, ToValue


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_every_option_can_be_written_and_is_explained(method: methods.Method[Any]) -> None:
    found = options.options(method)
    assert found.keys() == method.options.keys()
    for option in found.values():
        assert option.type is bool or option.type in options.KINDS
        assert option.help


@pytest.mark.parametrize("method", methods.ALL, ids=lambda method: method.name)
def test_defaults_are_written_as_they_are_read(method: methods.Method[Any]) -> None:
    for option in options.options(method).values():
        if option.default is not None and option.type is not bool:
            assert option.read(options.written(option.default)) == option.default


@given(st.integers())
def test_whole_numbers_keep_their_value(value: int) -> None:
    assert options.read(methods.max_norm, {"steps": str(value)}) == {"steps": value}


@given(st.floats(allow_nan=False))
def test_numbers_keep_their_value(value: float) -> None:
    assert options.read(methods.direct_copy, {"threshold": str(value)}) == {"threshold": value}


@given(st.booleans(), st.sampled_from([("subtract", Subtract()), ("zero", ToValue(0.0))]))
def test_switches_and_resets(switch: bool, reset: tuple[str, Any]) -> None:
    read = options.read(methods.max_norm, {"per_channel": switch, "reset": reset[0]})
    assert read == {"per_channel": switch, "reset": reset[1]}


@given(st.text())
def test_other_texts_are_refused(text: str) -> None:
    try:
        int(text)
    except ValueError:
        with pytest.raises(InvalidOption, match="takes a whole number"):
            options.read(methods.max_norm, {"steps": text})


def test_an_option_of_another_method_names_the_nearest() -> None:
    with pytest.raises(InvalidOption, match="did you mean --input-steps or --drain-steps"):
        options.read(methods.fit, {"steps": "5"})
    with pytest.raises(InvalidOption, match=r"max_norm has no option --longest.* .options of max_norm"):
        options.read(methods.max_norm, {"longest": "5"})
