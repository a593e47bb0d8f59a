"""The wires beside each other: what a server loads, whose path is whose, and what clients are told of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.providers.started import TOKEN
from tests.wires.conftest import Instance
from theoryctl.secrets import own_environment
from theoryctl_providers.contract import TOKEN_PREFIX
from theoryctl_providers.contract.clients import client_variables

LOADED = "import json, sys, theoryctl_providers.server.app; print(json.dumps(sorted(sys.modules)))"


def test_a_server_starts_without_what_only_requests_of_other_apis_need() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    others = tuple(f"theoryctl_providers.wires.{name}." for name in ("anthropic", "gemini", "ollama"))
    loaded = [name for name in json.loads(done.stdout) if name.startswith(others)]
    assert loaded == [f"{name}dialect" for name in others]


def test_what_leads_clients_of_any_wire_to_an_instance_is_not_ones_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led = client_variables("http://127.0.0.1:1", f"{TOKEN_PREFIX}x")
    for name, value in {**led, "ANTHROPIC_API_KEY": "sk-mine"}.items():
        monkeypatch.setenv(name, value)
    seen = own_environment()
    assert [name for name in led if name in seen] == ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"]


@pytest.mark.parametrize(
    ("path", "headers", "key"),
    [
        ("/v1/nothing", {"authorization": f"Bearer {TOKEN}"}, "error"),
        ("/v1/nothing", {"x_api_key": TOKEN, "anthropic_version": "2023-06-01"}, "request_id"),
        ("/v1/messages/nothing", {"x_api_key": TOKEN}, "request_id"),
        ("/nothing", {"authorization": f"Bearer {TOKEN}"}, "schema"),
        ("/v1beta/nothing", {"x_goog_api_key": TOKEN}, "error"),
        ("/api/nothing", {"authorization": f"Bearer {TOKEN}"}, "error"),
    ],
)
def test_a_path_that_nobody_has_is_refused_as_its_client_understands_it(
    instance: Instance, path: str, headers: dict[str, str], key: str
) -> None:
    answer = instance.ask(path, b"{}", **headers)
    assert answer.status == 404
    assert key in answer.document
    told = json.dumps(answer.document)
    assert all(f"({name})" in told for name in ("theoryctl", "OpenAI", "Azure", "Anthropic", "Ollama", "Gemini"))
