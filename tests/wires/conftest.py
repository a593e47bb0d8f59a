"""Instances for unmodified clients of each wire, served in this process, and requests as they go over the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.providers.started import CONFIG, Answer, serving
from tests.real import said
from tests.real.conftest import CANARY
from tests.real.conftest import litellm as litellm
from tests.real.conftest import only_loopback as only_loopback
from tests.real.server import Behaviour, Conversation
from tests.real.vendor import Vendor
from theoryctl_providers.contract import ProviderConfig, Script
from theoryctl_providers.contract.wire import ServerConfig


@dataclass(frozen=True)
class Instance:
    """A served instance."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, body: Any = None, method: str = "POST", **headers: str) -> Answer:
        """One request, whose headers are all given; their names are written with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, data, sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())


def real_config(vendor: Vendor) -> ServerConfig:
    """An instance in real mode, of which this is the vendor, whoever is asked."""
    addresses = {"OPENAI_BASE_URL": f"{vendor.url}/v1", "ANTHROPIC_BASE_URL": vendor.url, "LLM_API_BASE": vendor.url}
    secrets = {"OPENAI_API_KEY": CANARY, "ANTHROPIC_API_KEY": CANARY, **addresses}
    provider = ProviderConfig(provider="litellm", ref="llm/litellm@1", mode="real", secrets=secrets, timeout=20)
    return replace(CONFIG, provider=provider)


_DIALECTS: dict[str, said.Dialect] = {"/v1/messages": said.Anthropic(), "/api/chat": said.Ollama()}


def tells(answer: said.Said) -> Behaviour:
    """An answer in the vendor's dialect, streamed where that is asked for."""

    def behave(talk: Conversation) -> None:
        dialect = _DIALECTS.get(talk.received.path, said.OpenAI())
        if talk.received.body.get("stream"):
            talk.stream(dialect.streamed(answer))
        else:
            talk.send(200, json.dumps(dialect.whole(answer)).encode())

    return behave


def scripted(document: dict[str, Any], **more: Any) -> ServerConfig:
    """An instance whose answers are a script's."""
    return replace(CONFIG, provider=replace(CONFIG.provider, script=Script.load(document)), **more)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A mock."""
    with serving() as (port, _):
        yield Instance(port)
