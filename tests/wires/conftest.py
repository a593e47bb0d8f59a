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
from tests.real.conftest import litellm as litellm
from tests.real.conftest import only_loopback as only_loopback
from theoryctl_providers.contract import Script
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


def scripted(document: dict[str, Any], **more: Any) -> ServerConfig:
    """An instance whose answers are a script's."""
    return replace(CONFIG, provider=replace(CONFIG.provider, script=Script.load(document)), **more)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """A mock."""
    with serving() as (port, _):
        yield Instance(port)
