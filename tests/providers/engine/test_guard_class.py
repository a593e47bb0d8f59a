"""The provider seam: the class is checked once, at look-up."""

from __future__ import annotations

import asyncio
import re
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.providers.engine.seam import ASK, HERE, Bare, a_coroutine, named, refusal
from theoryctl.batch.engines import engine_here
from theoryctl_providers import LLMProvider, get_llm_provider, run
from theoryctl_providers.contract import (
    Finish,
    Mode,
    ProviderConfig,
    ProviderError,
    SecretRule,
)

pytestmark = pytest.mark.usefixtures("module")


def a_generator(*_: Any) -> Any:
    yield Finish()


def test_a_class_that_is_no_subclass_gets_the_defaults_of_the_optional_parts() -> None:
    name = named(type("Plain", (Bare,), {}))
    envelope = run(ASK, provider=name, mode="real", secrets={})
    assert envelope["outputs"][0]["text"] == "bare"
    provider = get_llm_provider(name)
    assert (provider.operations, provider.suspends_in_mock, provider.secret_rules) == (("chat",), True, ())
    asyncio.run(provider.aclose())


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"stream": a_coroutine}, "stream: expected `async def` with `yield`"),
        ({"stream": a_generator}, "stream: expected `async def` with `yield`"),
        ({"stream": LLMProvider.stream}, "got nothing"),
        ({"stream": None}, "got None"),
        ({"prepare": a_coroutine}, "prepare: expected a plain function, got `async def` without `yield`"),
        ({"check": a_coroutine}, "check: expected a plain function"),
        ({"check_inputs": a_coroutine}, "check_inputs: expected a plain function"),
        ({"notes": a_generator}, "notes: expected a plain function, got a function with `yield`"),
        ({"is_prepared": True}, "is_prepared: expected a plain function, got True"),
        ({"aclose": a_generator}, "aclose: expected `async def` without `yield`, got a function with `yield`"),
        ({"aclose": lambda self: None}, "aclose: expected `async def` without `yield`, got a plain function"),
        ({"suspends_in_mock": "no"}, "suspends_in_mock: expected True or False, got 'no'"),
        ({"loads": None}, "loads: expected a text, got None"),
        ({"operations": ("chat", "speech")}, "operations: expected a tuple of one or more of 'chat', 'embeddings'"),
        ({"operations": "chat"}, "got 'chat'"),
        ({"operations": ()}, "got ()"),
        ({"default_model": 5}, "default_model: expected a name or None, got 5"),
        (
            {"secret_rules": ["KEY"]},
            "secret_rules: expected a tuple of SecretRule, whose fields have their types, got ['KEY']",
        ),
    ],
)
def test_a_part_of_another_kind_is_refused_at_look_up(parts: dict[str, Any], expected: str) -> None:
    name = named(type("Odd", (Bare,), parts))
    with pytest.raises(ProviderError) as caught:
        get_llm_provider(name)
    assert caught.value.code == "ERR_PROVIDER"
    assert f"{HERE}:Odd." in caught.value.message and expected in caught.value.message
    assert refusal(name)["message"] == caught.value.message


@pytest.mark.parametrize("table", ["| part | use it to | default |", "| part | type |"])
def test_the_page_names_every_part_of_a_provider(table: str) -> None:
    _, rows = (ROOT / "docs" / "providers.md").read_text().split(f"{table}\n")
    named = re.findall(r"`(\w+)(?:\(|`)", "\n".join(row.split("|")[1] for row in rows.split("\n\n")[0].splitlines()))
    parts = {name for name in vars(LLMProvider) if not name.startswith("_")}
    assert {*named, "stream"} == parts


DATA = ["suspends_in_mock", "loads", "default_model", "operations", "secret_rules"]


def failing_after(calls: int, value: Any) -> property:
    """A property that has a value so many times, and fails from then on."""
    left = iter([value] * calls)

    def read(self: Any) -> Any:
        for found in left:
            return found
        raise ValueError("it is gone")

    return property(read)


@pytest.mark.parametrize("part", [*DATA, "stream", "prepare", "aclose"])
def test_a_part_that_cannot_be_read_is_refused_at_look_up(part: str) -> None:
    name = named(type("Unruly", (Bare,), {part: failing_after(0, None)}))
    message = refusal(name)["message"]
    assert f"{HERE}:Unruly.{part}: expected " in message
    assert message.endswith("got ValueError: it is gone")
    with pytest.raises(ProviderError, match=r"got ValueError: it is gone"):
        run(ASK, provider=name, mode="real")  # which asks the class for its secrets before all else


@pytest.mark.parametrize("part", DATA)
def test_a_part_that_can_be_read_once_is_the_classs_fault(part: str) -> None:
    name = named(type("Unruly", (Bare,), {part: failing_after(1, getattr(LLMProvider, part))}))
    inputs = {"messages": ASK["messages"]} if part == "default_model" else ASK
    mode: Mode = "real" if part == "secret_rules" else "mock"
    with pytest.raises(ProviderError) as caught:
        run(inputs, provider=name, mode=mode, secrets={})
    assert caught.value.code == "ERR_PROVIDER"
    assert caught.value.message == f"{HERE}:Unruly.{part} failed with ValueError: it is gone; expected a ProviderError"


def test_a_batch_blames_the_class_too() -> None:
    name = named(type("Unruly", (Bare,), {"suspends_in_mock": failing_after(1, False)}))
    unasked: Any = None
    told = f"{HERE}:Unruly.suspends_in_mock failed with ValueError: it is gone"
    with pytest.raises(ProviderError, match=told):
        engine_here(unasked, ProviderConfig(provider=name), "mock")


class Unshowable:
    def __repr__(self) -> str:
        raise ValueError("no")


def test_a_value_that_cannot_be_shown_is_told_by_its_class() -> None:
    name = named(type("Odd", (Bare,), {"default_model": Unshowable()}))
    assert refusal(name)["message"].endswith("got a Unshowable whose repr fails with ValueError")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 5},
        {"name": ""},
        {"name": "A\ud83d"},
        {"name": "A", "alternatives": 5},
        {"name": "A", "alternatives": ("B",)},
        {"name": "A", "alternatives": ((),)},
        {"name": "A", "models": "openai/*"},
        {"name": "A", "models": (5,)},
        {"name": "A", "required": "yes"},
        {"name": "A", "description": None},
    ],
    ids=str,
)
def test_a_rule_on_secrets_with_a_field_of_another_type_is_refused(fields: dict[str, Any]) -> None:
    name = named(type("Odd", (Bare,), {"secret_rules": (SecretRule(**fields),)}))
    with pytest.raises(ProviderError, match="secret_rules: expected a tuple of SecretRule") as caught:
        run(ASK, provider=name, mode="real")
    assert caught.value.code == "ERR_PROVIDER"


@pytest.mark.parametrize("part", ["loads", "default_model"])
def test_a_text_of_the_class_that_is_not_unicode_is_refused(part: str) -> None:
    name = named(type("Odd", (Bare,), {part: "\ud83d"}))
    assert f"{part}: expected " in refusal(name)["message"]


def test_a_class_that_cannot_be_made_without_arguments_is_refused() -> None:
    class Wants(Bare):
        def __init__(self, key: str) -> None:
            self.key = key

    assert f"{HERE}:Wants() failed with TypeError" in refusal(named(Wants))["message"]


def test_what_is_no_class_is_refused(module: ModuleType) -> None:
    module.ready = Bare()  # type: ignore[attr-defined]
    assert "expected a class, got <" in refusal(f"{HERE}:ready")["message"]


def test_a_module_that_fails_while_it_is_imported_is_no_bug_of_ours(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_broken.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ProviderError, match="cannot be loaded: SyntaxError") as caught:
        get_llm_provider("acme_broken:Echo")
    assert caught.value.code == "ERR_PROVIDER"
