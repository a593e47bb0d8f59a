"""Values of secrets on this machine."""

from __future__ import annotations

import os

import pytest

from theoryctl.secrets import given_secrets, new_token

LED = {"OPENAI_API_KEY": new_token(), "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}


def test_the_token_and_the_address_of_an_instance_are_no_secrets_to_pass_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # As after `local env`: `modal sync-secrets` would put the token into an app's Secret, as the vendor's key.
    for name, value in LED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ANTHROPIC_API_KEY", " sk-own ")
    assert given_secrets([*LED, "ANTHROPIC_API_KEY"]) == {"ANTHROPIC_API_KEY": "sk-own"}
    assert not LED.keys() & os.environ.keys()  # libraries read these as well


def test_an_address_beside_a_key_of_ones_own_is_a_secret_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {**LED, "OPENAI_API_KEY": "sk-own"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert given_secrets(own) == own
