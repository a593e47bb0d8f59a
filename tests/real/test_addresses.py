"""Addresses of vendors: which one is asked, and errors that name it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.real.conftest import ANTHROPIC, CANARY, LITELLM_WARNINGS, OPENAI, Ask
from tests.real.vendor import Vendor
from theoryctl_providers import ProviderError, get_llm_provider, run
from theoryctl_providers.contract import Mode, ProviderConfig, ResolvedRequest, SecretRule
from theoryctl_providers.inputs.families import vendor_meant
from theoryctl_providers.litellm.addresses import address_of
from theoryctl_providers.litellm.vendors import VENDORS

pytestmark = [LITELLM_WARNINGS, pytest.mark.usefixtures("foreign_variables", "only_loopback", "short_waits")]

MESSAGES = [{"role": "user", "content": "Say hello."}]


def test_an_error_names_the_address_that_was_asked(ask: Ask) -> None:
    call = ask({"ANTHROPIC_BASE_URL": "http://127.0.0.1:9/v1"}, ANTHROPIC, timeout=3)
    assert call.error["code"] == "ERR_UNREACHABLE"
    assert "anthropic (http://127.0.0.1:9)" in call.error["message"]
    assert "ANTHROPIC_BASE_URL" in (call.error["hint"] or "")


def test_an_error_names_the_address_that_litellm_knows_by_itself(
    ask: Ask, litellm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    call = ask({"NEBIUS_API_KEY": CANARY}, "nebius/a-model", timeout=3)
    assert call.error["code"] == "ERR_UNREACHABLE"
    assert "nebius (https://api.studio.nebius.ai)" in call.error["message"]


def test_a_password_in_an_address_shows_nowhere(ask: Ask) -> None:
    call = ask({"ANTHROPIC_BASE_URL": "http://me:pass-word@127.0.0.1:9/v1"}, ANTHROPIC)
    assert call.error["code"] == "ERR_USAGE"
    assert "pass-word" not in str(call.events)


def test_the_hint_for_an_ollama_that_does_not_run_is_to_start_it(ask: Ask) -> None:
    call = ask({"LLM_API_BASE": "127.0.0.1:9"}, "ollama/llama3.2", timeout=3)
    assert call.error["code"] == "ERR_UNREACHABLE"
    assert (call.error["hint"] or "").startswith("ollama serve")


def test_the_hint_for_the_wrong_scheme_is_the_right_one(ask: Ask) -> None:
    with Vendor() as vendor:
        call = ask({"OPENAI_BASE_URL": vendor.url.replace("http:", "https:")}, timeout=5)
    assert call.error["code"] == "ERR_UNREACHABLE"
    assert call.error["hint"] == f"set OPENAI_BASE_URL to {vendor.url}/v1"


def test_an_address_that_cannot_be_one_is_refused_before_anything_is_loaded(ask: Ask) -> None:
    call = ask({"OPENAI_BASE_URL": "api.example.com"})
    assert (call.error["code"], "OPENAI_BASE_URL" in call.error["message"]) == ("ERR_USAGE", True)
    assert not [event for event in call.events if type(event).__name__ == "Started"]


@pytest.mark.parametrize(
    ("model", "full"),
    [
        ("claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        ("Gemini-2.5-pro", "gemini/Gemini-2.5-pro"),
        ("grok-4", "xai/grok-4"),
    ],
)
def test_another_vendors_model_without_its_vendor_is_answered_with_its_full_name(
    ask: Ask, model: str, full: str
) -> None:
    call = ask({}, model)
    assert (call.error["code"], full in (call.error["hint"] or "")) == ("ERR_MODEL_NOT_FOUND", True)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "o3", "my-own-model"])
def test_a_model_without_a_vendor_is_the_default_models_vendors_as_in_a_mock(litellm: Any, model: str) -> None:
    inputs = {"model": model, "messages": MESSAGES}
    with Vendor() as vendor:
        secrets = {"OPENAI_API_KEY": CANARY, **vendor.addresses}
        modes: tuple[Mode, ...] = ("mock", "real")
        found = [run(inputs, provider="litellm", mode=mode, secrets=secrets)["model"] for mode in modes]
    assert found == [f"openai/{model}"] * 2
    (request,) = vendor.requests
    assert request.body["model"] == model


@pytest.mark.parametrize(("own", "notes"), [({}, 1), ({"OPENAI_BASE_URL": "http://localhost:1"}, 0)])
def test_the_address_of_ollama_alone_is_a_note_to_who_asks_openai(own: dict[str, str], notes: int) -> None:
    config = ProviderConfig(provider="litellm", secrets={"LLM_API_BASE": "http://localhost:11434", **own})
    request = ResolvedRequest(config=config, mode="real", model=OPENAI, inputs={"model": OPENAI})
    found = get_llm_provider("litellm").notes(request)
    assert [("LLM_API_BASE" in note, "OPENAI_BASE_URL" in note) for note in found] == [(True, True)] * notes


def test_a_key_of_ones_own_does_not_go_to_the_instance_that_local_env_led_to(
    litellm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ProviderConfig(provider="litellm", secret_rules=(SecretRule(name="OPENAI_API_KEY"),))
    with Vendor() as instance, Vendor() as vendor:
        monkeypatch.setenv("THEORYCTL_URL", instance.url)
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{instance.url}/v1")
        monkeypatch.setenv("OPENAI_API_BASE", f"{vendor.url}/v1")
        assert run({"messages": MESSAGES}, provider="litellm", mode="real")["error"] is None
        assert address_of(VENDORS[0], asked) == f"{vendor.url}/v1"
    assert (len(instance.requests), len(vendor.requests)) == (0, 1)


def test_a_run_after_local_env_does_not_go_to_the_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    with Vendor() as vendor:
        monkeypatch.setenv("OPENAI_API_KEY", "theoryctl-token")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.url}/v1")
        with pytest.raises(ProviderError) as caught:
            run({"model": OPENAI, "messages": MESSAGES}, provider="litellm", mode="real")
        assert (caught.value.code, vendor.requests) == ("ERR_MISSING_SECRET", [])


@pytest.mark.parametrize("default", ["azure", "ollama", "groq", "bedrock"])
def test_a_vendor_that_serves_models_of_others_is_meant_by_their_names(default: str) -> None:
    assert vendor_meant("gpt-4o-mini", default) == vendor_meant("claude-sonnet-4-5", default) == default
    assert vendor_meant("claude-sonnet-4-5", "openai") is None
