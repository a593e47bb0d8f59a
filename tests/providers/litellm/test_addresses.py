"""Addresses as people write them."""

from __future__ import annotations

import pytest

from theoryctl_providers.contract import TOKEN_PREFIX, ProviderConfig, ProviderError, SecretRule
from theoryctl_providers.litellm.addresses import address_of, read_address, shown
from theoryctl_providers.litellm.vendor import Vendor
from theoryctl_providers.litellm.vendors import VENDORS

BY_NAME = {vendor.name: vendor for vendor in VENDORS}


def read(text: str, vendor: str) -> str:
    return read_address("IT", text, BY_NAME[vendor])


@pytest.mark.parametrize(
    ("vendor", "text", "address"),
    [
        ("ollama", "localhost:11434", "http://localhost:11434"),
        ("ollama", "localhost", "http://localhost"),
        ("ollama", "127.0.0.1:11434/", "http://127.0.0.1:11434"),
        ("ollama", "[::1]:11434", "http://[::1]:11434"),
        ("ollama", "gpu-box:11434", "http://gpu-box:11434"),
        ("ollama", "192.168.1.4:11434", "http://192.168.1.4:11434"),
        ("ollama", '"http://localhost:11434"', "http://localhost:11434"),
        ("ollama", " 'http://localhost:11434/' ", "http://localhost:11434"),
        ("ollama", "http://localhost:11434/v1", "http://localhost:11434"),
        ("ollama", "http://localhost:11434/v1/", "http://localhost:11434"),
        ("ollama", "http://localhost:11434/api", "http://localhost:11434"),
        ("ollama", "https://gateway.example/ollama", "https://gateway.example/ollama"),
        ("openai", "http://localhost:8000", "http://localhost:8000/v1"),
        ("openai", "http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("openai", "http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("openai", "https://gateway.example/openai", "https://gateway.example/openai"),
        ("hosted_vllm", "localhost:8000", "http://localhost:8000/v1"),
        ("lm_studio", "localhost:1234/v1", "http://localhost:1234/v1"),
        ("anthropic", "https://gateway.example/v1", "https://gateway.example"),
        ("anthropic", "https://gateway.example/v1/messages", "https://gateway.example"),
        ("gemini", "https://gateway.example", "https://gateway.example/v1beta"),
        ("cohere", "https://gateway.example", "https://gateway.example/v2/chat"),
        ("azure", "https://me.openai.azure.com/", "https://me.openai.azure.com"),
    ],
)
def test_an_address_in_peoples_notation_is_understood(vendor: str, text: str, address: str) -> None:
    assert read(text, vendor) == address


@pytest.mark.parametrize(
    "text",
    [
        *("api.example.com", "htp://localhost", "http:/localhost", "http//localhost", "http:localhost:1", "ftp://host"),
        *("http://", "http://:80", "http://ho st", "http://host:port", "http://host:99999", "http://[::1"),
        *("localhost:x", "http://host/v1?key=1", "http://host/#x", "=http://host", "http://me:pw@host"),
    ],
)
def test_what_cannot_be_an_address_is_refused_with_the_variables_name(text: str) -> None:
    with pytest.raises(ProviderError) as caught:
        read(text, "openai")
    assert caught.value.code == "ERR_USAGE"
    assert caught.value.message.startswith("IT: expected ")
    assert caught.value.hint is not None and "IT" in caught.value.hint


def test_no_password_is_shown() -> None:
    assert shown("https://me:secret@host:1/v1?key=secret#secret") == "https://host:1/v1"
    with pytest.raises(ProviderError) as caught:
        read("ftp://me:secret@host/?key=secret", "openai")
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_vendors_own_address_is_one_that_can_be_written_too(vendor: Vendor) -> None:
    if vendor.address is not None and vendor.name != "gemini":
        assert read_address("IT", vendor.address, vendor) == vendor.address


def test_the_environment_gives_an_address_only_where_a_manifest_does_not_name_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1")
    openai, key = BY_NAME["openai"], SecretRule(name="OPENAI_API_KEY")
    named = SecretRule(name="OPENAI_BASE_URL", required=False)
    assert address_of(openai, ProviderConfig()) is None
    assert address_of(openai, ProviderConfig(secret_rules=(key, named))) is None
    assert address_of(openai, ProviderConfig(secret_rules=(key,))) == "http://localhost:1/v1"


def test_an_address_beside_the_token_of_an_instance_is_not_a_vendors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{TOKEN_PREFIX}{'x' * 32}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1")
    assert address_of(BY_NAME["openai"], ProviderConfig(secret_rules=(SecretRule(name="OPENAI_API_KEY"),))) is None


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_an_address_that_leads_to_an_instance_is_not_a_vendors_in_quotes_either(
    monkeypatch: pytest.MonkeyPatch, quote: str
) -> None:
    monkeypatch.setenv("THEORYCTL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{quote}http://127.0.0.1:9/v1{quote}")
    assert address_of(BY_NAME["openai"], ProviderConfig(secret_rules=(SecretRule(name="OPENAI_API_KEY"),))) is None
