"""A mock for one test: an address, a token of its own, and what was asked with that token."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from theoryctl_providers.contract import TOKEN_PREFIX, ProviderConfig, ProviderError, Script, ServerConfig
from theoryctl_providers.contract.clients import client_variables
from theoryctl_providers.mock.recording_files import read_recordings
from theoryctl_providers.server.gate import Gate
from theoryctl_providers.server.thread import serving
from theoryctl_providers.wires.tenant import Tenant

#: What a mock answers where nothing else is said.
CONFIG = ProviderConfig(provider="litellm", ref="llm/litellm@1", runtime="process", mock_only=True)


@dataclass(frozen=True)
class Asked:
    """One request that came: `body` is the JSON that was sent, or its text where it is none."""

    method: str
    path: str
    status: int | None
    model: str | None
    answered_by: str | None
    body: Any


class Instance:
    """A mock as one token sees it: nothing that others ask or script is seen here."""

    def __init__(self, url: str, token: str, tenant: Tenant) -> None:
        self.url, self.token = url, token
        self._tenant = tenant

    @property
    def env(self) -> Mapping[str, str]:
        """The variables that lead clients of each API here."""
        return client_variables(self.url, self.token)

    @property
    def requests(self) -> list[Asked]:
        """The requests so far, in the order in which they came. A request is here before its answer is."""
        documents = (entry.document(str) for entry in self._tenant.journal)
        names = Asked.__dataclass_fields__
        return [Asked(**{name: document[name] for name in names}) for document in documents]

    def script(self, script: Mapping[str, Any] | str | Path) -> None:
        """Answer by a script from now on: its document, or the path of a JSON or YAML file.

        Raises ProviderError `ERR_SCRIPT`.
        """
        document = script if isinstance(script, Mapping) else _read_script(Path(script))
        try:
            self._tenant.config = replace(self._tenant.config, script=Script.load(document), replay=None)
        except ValueError as error:
            raise ProviderError("ERR_SCRIPT", f"the script: {error}", hint="change the script") from None

    def replay(self, folder: str | Path) -> None:
        """Answer from the recordings in a folder from now on. Raises ProviderError `ERR_RECORDING`."""
        self._tenant.config = replace(self._tenant.config, replay=read_recordings(Path(folder)), script=None)


def _read_script(file: Path) -> Mapping[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ProviderError("ERR_SCRIPT", f"{file}: {error.strerror}", hint="name a script") from None
    if file.suffix == ".json":
        document = json.loads(text)
    else:
        import yaml

        document = yaml.safe_load(text)
    if not isinstance(document, dict):
        raise ProviderError("ERR_SCRIPT", f"{file}: expected an object with rules", hint="change the script")
    return document


#: Gives an instance of one's own for as long as its context lasts.
Instances = Callable[[], Any]


@contextmanager
def instances() -> Iterator[Instances]:
    """Start a server in a thread; a function that makes instances of it, each with its own token."""
    config = ServerConfig(provider=CONFIG, token=_new_token())
    with serving(config) as (port, gate):
        yield lambda: _instance(f"http://127.0.0.1:{port}", gate)


@contextmanager
def _instance(url: str, gate: Gate) -> Iterator[Instance]:
    token, tenant = _new_token(), Tenant(CONFIG)
    gate.tenants.add(token, tenant)
    try:
        yield Instance(url, token, tenant)
    finally:
        gate.tenants.remove(token)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process inside the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _new_token() -> str:
    return TOKEN_PREFIX + token_urlsafe(32)
