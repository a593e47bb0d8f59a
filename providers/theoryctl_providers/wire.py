"""Events and what a server is told, as JSON: what goes over the wire between a host and a started provider."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from theoryctl_providers.calls import Delta, Event, Log, ProviderConfig, Result, SecretRule, Started, ToolCallDelta
from theoryctl_providers.errors import ProviderError
from theoryctl_providers.jsontext import dumps, loads
from theoryctl_providers.script import Script

#: The names of the server-sent events; what the envelope holds anyway (usage, finish reasons) is not sent before it.
_NAMES: dict[type, str] = {Log: "log", Started: "started", Delta: "delta", Result: "result"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server takes: sizes in bytes, times in seconds. A body is larger than the inputs in it: the host takes
    16 MiB of those, and may write them less densely."""

    body: int = 48 << 20
    headers: int = 32 << 10
    attachment: int = 100 << 20
    concurrency: int = 64
    receive_seconds: float = 30.0
    drain_seconds: float = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server is told, once, as one JSON document on its standard input."""

    provider: ProviderConfig
    token: str = field(repr=False)
    limits: Limits = Limits()

    def dump(self) -> bytes:
        """The document."""
        script = self.provider.script
        provider = asdict(replace(self.provider, script=None)) | {"script": script and script.dump()}
        return dumps({"provider": provider, "token": self.token, "limits": asdict(self.limits)}).encode()

    @classmethod
    def load(cls, data: bytes) -> ServerConfig:
        """Read the document. Raises ProviderError `ERR_INPUTS` for one that is empty, not JSON, or not of this form."""
        document = loads(data, what="the configuration on standard input")
        try:
            provider = {**document["provider"]}
            rules = [SecretRule(**{**rule, "models": tuple(rule["models"])}) for rule in provider["secret_rules"]]
            script = Script.load(provider["script"]) if provider["script"] else None
            config = ProviderConfig(**{**provider, "secret_rules": tuple(rules), "script": script})
            token = document["token"]
            if not isinstance(token, str) or len(token) < 16:
                raise ValueError("its token is shorter than 16 characters")
            return cls(provider=config, token=token, limits=Limits(**document["limits"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ProviderError(
                "ERR_INPUTS", f"the configuration on standard input is not one: {error}", hint="theoryctl local start"
            ) from None


def encode_event(event: Event) -> bytes | None:
    """An event as a server-sent event (HTML standard, section 9.2), or None for one that is not sent."""
    name = _NAMES.get(type(event))
    if name is None or (isinstance(event, Log) and event.debug):
        return None
    data = event.envelope if isinstance(event, Result) else _filled(event)
    return f"event: {name}\ndata: {dumps(data)}\n\n".encode()


def decode_event(name: str, data: str) -> Event:
    """The event that `encode_event` made the text of. Raises ProviderError `ERR_BAD_RESPONSE` for anything else."""
    try:
        value = json.loads(data)
        if name == "result":
            return Result(value)
        if name == "delta":
            call = value.get("tool_call")
            return Delta(value.get("choice", 0), value.get("text"), ToolCallDelta(**call) if call else None)
        event: Event = {"log": Log, "started": Started}[name](**value)
        return event
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        message = f"the instance sent an event {name!r} that cannot be read"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="is it another version? restart it") from None


def _filled(event: Any) -> dict[str, Any]:
    """The fields of an event that say something."""
    values = {item.name: getattr(event, item.name) for item in fields(event)}
    call = values.get("tool_call")
    if call is not None:
        values["tool_call"] = _filled(call)
    return {name: value for name, value in values.items() if value is not None}
