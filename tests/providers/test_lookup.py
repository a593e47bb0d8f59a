"""Providers by their names, and the door for Python."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers import default_models, get_llm_provider, run
from theoryctl_providers.contract import ProviderError

ASK = {"model": "openai/gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("name", ["mok", "no.such.module:Thing", "theoryctl_providers.mock:Thing"])
def test_a_provider_that_cannot_be_loaded_is_err_provider_with_a_way_out(name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        get_llm_provider(name)
    assert caught.value.code == "ERR_PROVIDER"
    assert caught.value.hint


def test_a_misspelt_provider_gets_the_near_miss() -> None:
    with pytest.raises(ProviderError) as caught:
        get_llm_provider("litelm")
    assert caught.value.hint == "name 'litellm'"


def test_the_default_models_are_those_the_built_in_manifests_name() -> None:
    assert default_models == {"mock": "mock", "litellm": "openai/gpt-4o-mini"}
    assert run({"messages": ASK["messages"]}, provider="litellm")["model"] == "openai/gpt-4o-mini"


def test_there_is_one_provider_object_a_name() -> None:
    assert get_llm_provider("mock") is get_llm_provider("mock")


def test_real_mode_without_a_key_raises_a_runtime_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(RuntimeError, match="OPENAI_API_KEY") as caught:
        run({"messages": ASK["messages"]}, provider="litellm", mode="real")
    assert isinstance(caught.value, ProviderError) and caught.value.code == "ERR_MISSING_SECRET"


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        ({"provider": "mock", "mode": "real"}, "ERR_UNSUPPORTED_PARAM", "pass mode='mock'"),
        ({"provider": "mock", "mode": "reel"}, "ERR_INPUTS", "pass mode='mock' or mode='real'"),
        ({"provider": "litellm", "mode": "real"}, "ERR_MISSING_SECRET", "set OPENAI_API_KEY, in the environment or in"),
    ],
)
def test_python_is_told_which_argument_to_change(arguments: dict[str, Any], code: str, hint: str) -> None:
    with pytest.raises(ProviderError) as caught:
        run(ASK, secrets={}, **arguments)
    assert (caught.value.code, str(caught.value.hint)[: len(hint)]) == (code, hint)
