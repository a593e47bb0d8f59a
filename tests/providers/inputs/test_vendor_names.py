"""Misspelt vendors."""

from __future__ import annotations

from typing import Any

import pytest

from theoryctl_providers import Mode, ProviderError, run
from theoryctl_providers.inputs.vendor_names import VENDOR_NAMES, refuse_misspelt_vendor
from theoryctl_providers.litellm.loading import import_litellm
from theoryctl_providers.litellm.vendors import VENDORS

HI: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


def test_the_names_are_those_of_the_installed_litellm_and_of_the_table() -> None:
    litellm = import_litellm()
    from litellm.llms.openai_like.json_loader import JSONProviderRegistry

    known = {str(getattr(one, "value", one)) for one in litellm.provider_list}
    assert known | set(JSONProviderRegistry.list_providers()) == VENDOR_NAMES
    assert {prefix for vendor in VENDORS for prefix in vendor.prefixes} <= VENDOR_NAMES


@pytest.mark.parametrize(
    ("model", "meant"),
    [
        ("opnai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("openaii/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("opemai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("opneai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("anthropc/claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("grok/llama", "groq/llama"),
        ("bedrok/a/b", "bedrock/a/b"),
    ],
)
@pytest.mark.parametrize("provider", ["litellm", "mock"])
def test_a_vendor_one_letter_away_from_a_known_one_is_refused_in_mock_mode_too(
    model: str, meant: str, provider: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        run({**HI, "model": model}, provider=provider, mode="mock")
    assert (caught.value.code, caught.value.param, meant in caught.value.message) == ("ERR_INPUTS", "model", True)


@pytest.mark.parametrize("model", ["acme/x", "ai/llama3.2", "mock", "gpt-4o", "opnai", "my-openai/x", "x/y", "mock/x"])
def test_every_other_name_is_answered(model: str) -> None:
    assert run({**HI, "model": model}, provider="litellm", mode="mock")["status"] == "success"


@pytest.mark.parametrize("model", ["openai/", "/x", "/", " /x", "openai/ ", "openrouter/openai/"])
@pytest.mark.parametrize(("provider", "mode"), [("litellm", "mock"), ("litellm", "real"), ("mock", "mock")])
def test_a_model_with_nothing_before_or_after_the_slash_is_refused_in_either_mode(
    model: str, provider: str, mode: Mode
) -> None:
    with pytest.raises(ProviderError) as caught:
        run({**HI, "model": model}, provider=provider, mode=mode, secrets={"OPENAI_API_KEY": "sk-none"})
    assert (caught.value.code, caught.value.param) == ("ERR_INPUTS", "model")
    assert f"expected vendor/model, got {model!r}" in caught.value.message


def test_no_known_name_is_a_slip() -> None:
    for name in VENDOR_NAMES:
        refuse_misspelt_vendor(f"{name}/x")
