"""The variables that lead clients of each API to an instance: one table for the command line and for tests."""

from __future__ import annotations

from collections.abc import Mapping

from theoryctl_providers.contract.secret_rules import TOKEN_PREFIX

#: Variables that clients of each API read: that of the key, and with it those of its address.
CLIENTS: dict[str, dict[str, str]] = {
    "OPENAI_API_KEY": {"OPENAI_BASE_URL": "{url}/v1"},
    "ANTHROPIC_API_KEY": {"ANTHROPIC_BASE_URL": "{url}"},
    "OLLAMA_API_KEY": {"OLLAMA_HOST": "{url}"},
    # OpenAI's client for Azure asks for a version, whichever.
    "AZURE_OPENAI_API_KEY": {"AZURE_OPENAI_ENDPOINT": "{url}", "OPENAI_API_VERSION": "2024-10-21"},
    # Google's clients prefer the second where both are set.
    "GEMINI_API_KEY": {"GOOGLE_GEMINI_BASE_URL": "{url}"},
    "GOOGLE_API_KEY": {"GOOGLE_GEMINI_BASE_URL": "{url}"},
}


def client_variables(url: str, token: str) -> dict[str, str]:
    """Return the variables that lead clients of each API to the instance at `url`."""
    variables: dict[str, str] = {}
    for key, addresses in CLIENTS.items():
        variables |= {name: value.format(url=url) for name, value in addresses.items()} | {key: token}
    return variables


def led_variables(environment: Mapping[str, str], *, other_than: str = "") -> tuple[str, ...]:
    """Return the variables that lead clients to an instance: keys that hold a token, but not the token `other_than`,
    and the addresses beside them."""
    keys = [
        key for key in CLIENTS if environment.get(key, "").startswith(TOKEN_PREFIX) and environment[key] != other_than
    ]
    return tuple(name for key in keys for name in (key, *CLIENTS[key]))
