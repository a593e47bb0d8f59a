"""The provider seam: the class is checked once, at look-up."""

from __future__ import annotations

import asyncio
import re
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.providers.engine.seam import ASK, HERE, Bare, a_coroutine, named, refusal
from theoryctl_providers import LLMProvider, get_llm_provider, run
from theoryctl_providers.contract import (
    Finish,
    ProviderError,
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
        ({"secret_rules": ["KEY"]}, "secret_rules: expected a tuple of SecretRule, got ['KEY']"),
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
