"""Options of run, arun, stream and astream: those that are refused, in both modes alike, and how they are told."""

from __future__ import annotations

import asyncio
import inspect
import pydoc
from collections.abc import Callable
from typing import Any

import pytest

from theoryctl_providers import (
    ProviderError,
    arun,
    astream,
    run,
    stream,
)
from theoryctl_providers.contract import TOKEN_PREFIX, Attachment
from theoryctl_providers.engine.calls import _make_call

HI = {"messages": [{"role": "user", "content": "Hi"}]}

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FILE = Attachment(name="a", path="/x", digest="sha256:" + "0" * 64, media_type="text/plain", size=3)


@pytest.mark.parametrize(
    ("inputs", "options", "code"),
    [
        (None, {}, "ERR_INPUTS"),
        ([], {}, "ERR_INPUTS"),
        ({}, {}, "ERR_INPUTS"),
        ({"messages": "x"}, {}, "ERR_INPUTS"),
        ({"messages": []}, {}, "ERR_INPUTS"),
        ({"mesages": HI["messages"]}, {}, "ERR_INPUTS"),
        ({**HI, "model": 5}, {}, "ERR_INPUTS"),
        ({**HI, "temperature": "warm"}, {}, "ERR_INPUTS"),
        ({**HI, "temperature": float("nan")}, {}, "ERR_INPUTS"),
        ({**HI, "user": b"x"}, {}, "ERR_INPUTS"),
        (dict[Any, Any](HI) | {5: 1}, {}, "ERR_INPUTS"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, {}, "ERR_INPUTS"),
        ({"messages": [{"role": "user", "content": {"$attach": "b"}}]}, {"attachments": [FILE]}, "ERR_ATTACHMENT"),
        ({**HI, "tool_choice": "required"}, {}, "ERR_INPUTS"),
        ({**HI, "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, {}, "ERR_INPUTS"),
        (HI, {"timeout": "soon"}, "ERR_USAGE"),
        (HI, {"timeout": -1}, "ERR_USAGE"),
        (HI, {"timeout": float("inf")}, "ERR_USAGE"),
        (HI, {"attachments": ["x"]}, "ERR_USAGE"),
        (HI, {"secrets": ["x"]}, "ERR_USAGE"),
        (HI, {"secrets": {"OPENAI_API_KEY": 5}}, "ERR_USAGE"),
        (HI, {"script": "answers.yaml"}, "ERR_USAGE"),
        (HI, {"provider": 5}, "ERR_USAGE"),
        (HI, {"record": 5}, "ERR_USAGE"),
        (HI, {"replay": 5}, "ERR_USAGE"),
        (HI, {"replay": b"recordings"}, "ERR_USAGE"),
        (HI, {"replay": "a\0b"}, "ERR_USAGE"),
        (HI, {"provider": "litelm"}, "ERR_PROVIDER"),
        (HI, {"replay": "/nonexistent"}, "ERR_RECORDING"),
    ],
    ids=str,
)
def test_what_is_bad_is_refused_in_both_modes_with_the_same_words(inputs: Any, options: Any, code: str) -> None:
    secrets = {"OPENAI_API_KEY": "key-0123456789", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    said = []
    for mode in ("mock", "real"):
        with pytest.raises(ProviderError) as caught:
            run(inputs, **{"provider": "litellm", "mode": mode, "secrets": secrets, "timeout": 5, **options})
        said.append((caught.value.code, caught.value.message, caught.value.hint, caught.value.param))
    assert said[0] == said[1]
    assert said[0][0] == code


def test_a_key_that_is_the_token_of_an_instance_is_told_from_one_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{TOKEN_PREFIX}{'x' * 32}")
    with pytest.raises(ProviderError, match="needs OPENAI_API_KEY, but OPENAI_API_KEY holds the token of a started"):
        run(HI, provider="litellm", mode="real")
    with pytest.raises(ProviderError, match="needs OPENAI_API_KEY, which is not set"):
        run(HI, provider="litellm", mode="real", secrets={})


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ({"A": "x", "OPENAI_API_KEY": 31415}, "a text for OPENAI_API_KEY, got int"),
        ({"OPENAI_API_KEY": None}, "a text for OPENAI_API_KEY, got NoneType"),
        ({31415: "x"}, "names of variables, got int"),
        ([31415], "texts by variable name, got list"),
    ],
)
def test_a_secret_that_is_no_text_is_told_by_its_name_and_never_by_its_value(secrets: Any, told: str) -> None:
    with pytest.raises(ProviderError) as caught:
        run(HI, provider="litellm", secrets=secrets)
    assert caught.value.message == f"secrets: expected {told}"


@pytest.mark.parametrize("inputs", [None, [], "x"])
def test_inputs_that_are_no_object_are_refused_without_a_mode_too(inputs: Any) -> None:
    with pytest.raises(ProviderError, match="expected an object"):
        run(inputs)


def test_a_call_that_is_real_as_the_variable_says_tells_it_before_the_vendor_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the command line does. The mock provider stands for a vendor: it refuses to be one, once it is asked."""
    monkeypatch.setenv("THEORYCTL_MODE", "real")
    for ask in (lambda: run(HI), lambda: list(stream(HI)), lambda: asyncio.run(arun(HI))):
        with pytest.warns(RuntimeWarning, match="^real mode, as THEORYCTL_MODE says"), pytest.raises(ProviderError):
            ask()
    with pytest.warns(RuntimeWarning) as told, pytest.raises(ProviderError, match="no real mode"):
        run(HI)
    assert told[0].filename == __file__
    for said in ({"mode": "mock"}, {**HI, "mode": "mock"}):
        assert run({**HI, **said})["mode"] == "mock"
    with pytest.raises(ProviderError, match="no real mode"):
        run(HI, mode="real")


@pytest.mark.parametrize("call", [run, arun, stream, astream])
def test_help_lists_every_option_with_its_default_and_its_meaning(call: Callable[..., Any]) -> None:
    shown = pydoc.plain(pydoc.render_doc(call))
    options = dict(inspect.signature(call).parameters)
    taken = dict(inspect.signature(_make_call).parameters)
    for not_an_option in ("streamed", "others"):
        del taken[not_an_option]
    assert [(name, each.default) for name, each in options.items()] == [(n, each.default) for n, each in taken.items()]
    del options["inputs"]
    for name, option in options.items():
        assert f"{name}: '{option.annotation}' = {option.default!r}" in shown
        meaning = shown.partition(f"\n        {name}: ")[2].partition("\n        ")[0]
        assert meaning, name
    assert shown.count("Default: ") == len(options)


@pytest.mark.parametrize(
    ("inputs", "options", "hint"),
    [
        (HI, {"mode": "MOCK"}, "write 'mock' instead of 'MOCK'"),
        (HI, {"mode": "live"}, "pass mode='mock' or mode='real'"),
        ("Hi", {}, 'pass inputs such as {"messages": [{"role": "user", "content": "Hi"}]}'),
        (HI, {"script": {"rules": []}}, "pass Script.load(document), of the document as a dict"),
        (HI, {"timeout": "5"}, "help(theoryctl_providers.run) says what each option takes"),
        (HI, {"replay": "nowhere"}, "record something into it first, or name another folder"),
    ],
)
def test_a_hint_says_what_to_do_in_python(inputs: Any, options: dict[str, Any], hint: str) -> None:
    with pytest.raises(ProviderError) as caught:
        run(inputs, **options)
    assert caught.value.hint == hint
