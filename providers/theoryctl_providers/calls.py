"""What a call is made of: modes, what a provider is told once, requests, attachments, and the events of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from theoryctl_providers.documents import AttachmentDocument, Envelope, Mode, new_run_id
from theoryctl_providers.errors import ProviderError

if TYPE_CHECKING:
    from theoryctl_providers.answer import Answer
    from theoryctl_providers.recordings import Recordings, Tape
    from theoryctl_providers.script import Script

MODES: tuple[Mode, ...] = ("mock", "real")
Operation = Literal["chat", "embeddings"]


def resolve_mode(inputs: Mapping[str, Any], override: str | None = None, default: str = "mock") -> Mode:
    """The mode of one request: a flag or header, then `inputs["mode"]`, then the instance's mode (`default`).

    Raises ProviderError `ERR_INPUTS` when the deciding value is neither "mock" nor "real".
    """
    value = override if override is not None else inputs.get("mode")
    value = default if value is None else value
    for mode in MODES:
        if value == mode:
            return mode
    raise ProviderError(
        "ERR_INPUTS", f"mode {value!r} is not one of {', '.join(MODES)}", hint="use --mode mock or --mode real"
    )


def is_mock(mode: str) -> bool:
    """Whether `mode` promises: deterministic, no network, no secrets."""
    return mode == "mock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A handle on one attached file; its bytes are read only when they are sent to a vendor.

    `digest` is `sha256:<64 hex>` of the whole file, `size` is in bytes, `path` is where the bytes lie for the process
    that runs the provider. In mock mode a provider gets no path: what it may know of a file is its digest.
    """

    name: str
    path: str
    digest: str
    media_type: str
    size: int

    def public(self) -> AttachmentDocument:
        """What an envelope says of it: everything but the path."""
        return {"name": self.name, "media_type": self.media_type, "size": self.size, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRule:
    """One environment variable a provider may need: for models matching `models` (shell patterns), in real mode."""

    name: str
    required: bool = True
    models: tuple[str, ...] = ("*",)
    description: str = ""

    def applies_to(self, model: str) -> bool:
        """Whether the rule speaks of this model."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """What a provider is told once, before its first request.

    `provider` is a built-in name, an entry point of the group `theoryctl.providers`, or `package.module:Class`.
    `input_schema` is JSON Schema draft 2020-12 (None: unchecked). `timeout` is in seconds. `secrets` holds values by
    name and never shows in a repr.

    In mock mode `script` or `replay` answers, before the provider's own mock. In real mode every exchange goes to
    `tape`, and `hidden` holds values that nobody may see in one, although the provider needs them for nothing.
    """

    provider: str = "mock"
    ref: str | None = None
    runtime: str = "embedded"
    mode: Mode = "mock"
    default_model: str | None = None
    input_schema: Mapping[str, Any] | None = None
    secret_rules: tuple[SecretRule, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float | None = None
    image: str | None = None
    platform: str | None = None
    script: Script | None = None
    replay: Recordings | None = None
    tape: Tape | None = None
    hidden: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a provider.

    `parsed` says that `inputs` came out of `loads`, and so are JSON as it must be; `checked`, that they were validated
    against the input schema already, as a manifest's own example is. `mode` overrides `inputs["mode"]`. `streamed` says
    that somebody reads the answer as it comes; for one who waits for all of it, a provider may say it in fewer pieces.
    `timeout` is in seconds and overrides the config's.

    The engine hands providers a resolved copy: `mode` set, `inputs["model"]` set, `inputs["mode"]` gone, and every
    `{"$attach": name}` replaced by its `Attachment`.
    """

    config: ProviderConfig
    inputs: Mapping[str, Any]
    parsed: bool = False
    mode: Mode | None = None
    operation: Operation = "chat"
    attachments: Sequence[Attachment] = ()
    streamed: bool = True
    timeout: float | None = None
    checked: bool = False
    run_id: str = field(default_factory=new_run_id)


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of one tool call: `id` and `name` come with its first piece, `arguments` is a fragment of JSON text."""

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """Progress worth telling a person, or with `debug` only a developer; never part of the result."""

    message: str
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """The request was admitted and the provider is loaded.

    Nothing before this event suspends, so a caller may drive the stream up to here without an event loop, and all the
    way when `suspends` is false: it speaks of this very request.
    """

    model: str
    mode: Mode
    suspends: bool


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer numbered `choice` (from 0): text, or part of a tool call."""

    choice: int = 0
    text: str | None = None
    tool_call: ToolCallDelta | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A whole named output that is not streamed text: `value` is text, or any JSON value with a JSON media type."""

    name: str
    media_type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the whole request and its price in US dollars (None: unknown)."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """Why a choice ended, in OpenAI's words: stop, length, tool_calls, content_filter."""

    choice: int = 0
    reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Result:
    """The last event of every stream, success or failure.

    `cause` is the failure as it was raised, for what an envelope has no room for (`retry_after`, `param`, a
    `ScriptedFailure`'s `kind`). Its texts may hold secrets; the envelope's do not. `answer` is what was said, in
    pieces. Neither goes over the wire.
    """

    envelope: Envelope
    cause: ProviderError | None = field(default=None, repr=False)
    answer: Answer | None = field(default=None, repr=False)


Event = Log | Started | Delta | Output | Usage | Finish | Result


def filled(event: Any) -> dict[str, Any]:
    """The fields of an event that say something, as JSON."""
    values = {item.name: getattr(event, item.name) for item in fields(event)}
    call = values.get("tool_call")
    if call is not None:
        values["tool_call"] = filled(call)
    return {name: value for name, value in values.items() if value is not None}
