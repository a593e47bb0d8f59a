"""Events and what a server is told, as JSON: what goes over the wire between a host and a started provider."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

from theoryctl_providers.contract.answer import Event, Result
from theoryctl_providers.contract.calls import ProviderConfig
from theoryctl_providers.contract.constraints import Must
from theoryctl_providers.contract.errors import ProviderError
from theoryctl_providers.contract.events import Delta, Log, Started, filled
from theoryctl_providers.contract.from_json import shaped
from theoryctl_providers.contract.json_text import MAX_DEPTH, dumps, json_problem, loads
from theoryctl_providers.contract.received import received_envelope
from theoryctl_providers.contract.secret_rules import settled

#: Media types that a client of `/v1/run` accepts, who reads an answer as it comes, or waits for all of it and wants the
#: events beside it alone.
AS_IT_COMES = "text/event-stream"
ANSWER_WHOLE = f"{AS_IT_COMES}; answer=whole"

#: The header by which a client says that it tries again by itself, and its value. A server that does not know it tries
#: again too.
RETRIES_HEADER, NO_RETRIES = "x-theoryctl-retries", "0"

#: The names of the server-sent events; what the envelope holds anyway (usage, finish reasons) is not sent before it.
_NAMES: dict[type, str] = {Log: "log", Started: "started", Delta: "delta", Result: "result"}
_KINDS: dict[str, Any] = {name: kind for kind, name in _NAMES.items() if kind is not Result}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of a server: sizes in bytes, times in seconds. A body is larger than the inputs in it: the host takes
    16 MiB of those, and may write them less densely."""

    body: int = 48 << 20
    headers: int = 32 << 10
    attachment: int = 100 << 20
    concurrency: int = 256
    receive_seconds: float = 30.0
    drain_seconds: float = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServerDocument:
    provider: dict[str, Any]
    token: Annotated[str, Must({"min_length": 32})]
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Everything a server is told, once, as one JSON document on its standard input."""

    provider: ProviderConfig
    token: str = field(repr=False)
    limits: Limits = Limits()

    def dump(self) -> bytes:
        """The document."""
        given = {name for name, value in self.provider.secrets.items() if value.strip()}
        provider = dump_config(self.provider, given)
        return dumps({"provider": provider, "token": self.token, "limits": asdict(self.limits)}).encode()

    @classmethod
    def load(cls, data: bytes) -> ServerConfig:
        """Read the document. Raises ProviderError `ERR_INPUTS` for one that is empty, not JSON, or not of this form."""
        # Recordings hold inputs as deep as any, a little deeper in here.
        document = loads(data, what="the configuration on standard input", depth=MAX_DEPTH + 20)
        try:
            told: _ServerDocument = shaped(_ServerDocument, document)
            return cls(provider=load_config(told.provider, "$.provider"), token=told.token, limits=told.limits)
        except ValueError as error:
            message = f"the configuration on standard input is not one: {error}"
            raise ProviderError("ERR_INPUTS", message, hint="send the one that theoryctl sends") from None


def dump_config(provider: ProviderConfig, given: Container[str] | None) -> dict[str, Any]:
    """Return the configuration of a provider as JSON. A script begins anew there, and so does a tape.

    `given` are the variables that are set there; None: only there it is known. The rules on them are written so that
    images built before `alternatives` read them, and a schema of outputs is in it only where there is one. `mock_only`
    and the limits are not in it: see SERVES_VARIABLE and LIMITS_VARIABLE. What is `withheld` here is not set there.
    """
    rules = tuple(settled(provider.secret_rules, given))
    plain = asdict(replace(provider, script=None, replay=None, tape=None, secret_rules=rules))
    for name in (
        "mock_only",
        "withheld",
        "cpu",
        "memory",
        *(["output_schema"] if provider.output_schema is None else []),
    ):
        del plain[name]
    for rule in plain["secret_rules"]:
        del rule["alternatives"]
    return plain | {
        "script": provider.script and provider.script.dump(),
        "replay": None if provider.replay is None else [recording.dump() for recording in provider.replay],
        "tape": provider.tape is not None,
    }


def load_config(document: dict[str, Any], at: str = "$") -> ProviderConfig:
    """The config that `dump_config` made the document of, whose path is `at`. Raises ValueError for anything else."""
    from theoryctl_providers.contract.recordings import Recording, Recordings, Tape
    from theoryctl_providers.contract.script import Script

    plain = dict(document)
    script, tape = plain.pop("script", None), shaped(bool, plain.pop("tape", False), f"{at}.tape")
    replay = shaped(tuple[Any, ...] | None, plain.pop("replay", None), f"{at}.replay")
    config: ProviderConfig = shaped(ProviderConfig, plain, at)
    return replace(
        config,
        script=None if script is None else Script.load(script),
        replay=None if replay is None else Recordings(map(Recording.load, replay)),
        tape=Tape() if tape else None,
    )


def encode_event(event: Event) -> bytes | None:
    """An event as a server-sent event (HTML standard, section 9.2), or None for one that is not sent."""
    if type(event) is Delta and _is_text(event):  # most of an answer: by hand, in a tenth of the time
        return f'event: delta\ndata: {{"choice": {event.choice}, "text": {dumps(event.text)}}}\n\n'.encode()
    name = _NAMES.get(type(event))
    if name is None or (isinstance(event, Log) and event.debug):
        return None
    data = event.envelope if isinstance(event, Result) else filled(event)
    return f"event: {name}\ndata: {dumps(data)}\n\n".encode()


def _is_text(delta: Delta) -> bool:
    others = (delta.tool_call, delta.reasoning, delta.refusal, delta.signature)
    return delta.text is not None and others == (None, None, None, None)


def decode_event(name: str, data: str) -> Event:
    """The event that `encode_event` made the text of. Raises ProviderError `ERR_BAD_RESPONSE` for anything else."""
    try:
        value = _LENIENT.decode(data)
        if name == "result":
            return Result(received_envelope(value))
        if "\\u" in data and (problem := json_problem(value)):
            raise ValueError(problem)
        event: Event = shaped(_KINDS[name], value)
        return event
    except (ValueError, RecursionError, KeyError):
        message = f"the instance sent an event {name!r:.200} that cannot be read"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="is it another version? restart it") from None


#: As quick as json.loads, for an answer has thousands of events; what it lets pass is refused where it matters.
_LENIENT = json.JSONDecoder()


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        message = f"the instance sent an answer that is not UTF-8: {error.reason} at byte {error.start}"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="is it another version? restart it") from None


def read_events(lines: Iterable[bytes]) -> Iterator[Event]:
    """Read server-sent events (HTML standard, section 9.2) up to the result, from lines with their ends.

    Raises ConnectionResetError where it does not come, and ProviderError `ERR_BAD_RESPONSE` for what cannot be read.
    """
    name = data = ""
    for raw in lines:
        line = _decoded(raw)
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif not line and name:
            yield decode_event(name, data)
            if name == "result":
                return
            name = data = ""
    raise ConnectionResetError(104, "the answer broke off")
