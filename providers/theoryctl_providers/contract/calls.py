"""A call's parts: mode, provider configuration, request, attachments."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from theoryctl_providers.contract.envelope import AttachmentDocument, Mode, ResourcesDocument, new_run_id
from theoryctl_providers.contract.errors import ProviderError, Remedy, corrected
from theoryctl_providers.contract.events import Operation
from theoryctl_providers.contract.secret_rules import SecretRule

if TYPE_CHECKING:
    from theoryctl_providers.contract.recordings import Recordings, Tape
    from theoryctl_providers.contract.script import Script

MODES: tuple[Mode, ...] = ("mock", "real")

#: The tools that a mock calls where none is forced: each that is offered, once in a turn of the user.
Tools = Literal["each", "none"]
TOOLS: tuple[Tools, ...] = ("each", "none")


#: Inputs about the way an answer is delivered, not about what is asked; providers do not get them.
TRANSPORT = frozenset(("mode", "stream", "stream_options"))

#: The variable with the mode where neither a flag nor the inputs name one.
MODE_VARIABLE = "THEORYCTL_MODE"

#: The variable that tells a server to serve nothing but mocks: "mock". It stands beside the document that a server is
#: told, for images from before there was such a thing understand no document that says it.
SERVES_VARIABLE = "THEORYCTL_SERVES"

#: The variable with the token of a started instance, for its clients; and for a server that is told nothing else.
TOKEN_VARIABLE = "THEORYCTL_TOKEN"

#: The variable with the limits of what runs: `{"cpu": cores, "memory": MiB}`. It stands beside the document as well.
LIMITS_VARIABLE = "THEORYCTL_LIMITS"


def resolve_mode(inputs: Mapping[str, Any], override: str | None = None, default: str = "mock") -> Mode:
    """Return the mode of one request of a caller on this machine.

    The first of these that is set decides: `override`, which is a flag or header; `inputs["mode"]`; the variable
    THEORYCTL_MODE; `default`, which is the instance's mode. Raises ProviderError `ERR_INPUTS` when the deciding value
    is neither "mock" nor "real", and `ERR_USAGE` where it is the variable's.
    """
    asked = override if override is not None else inputs.get("mode")
    named = os.environ.get(MODE_VARIABLE) if asked is None else None
    if named and named not in MODES:
        message = f"{MODE_VARIABLE}: expected {' or '.join(MODES)}, got {named[:200]!r}"
        raise ProviderError("ERR_USAGE", message, hint=f"set {MODE_VARIABLE} to mock or real, or unset it")
    return stated_mode(inputs, override, named or default)


def stated_mode(inputs: Mapping[str, Any], override: str | None, default: str) -> Mode:
    """Return the mode as `resolve_mode` does, but for the environment, which in a server is not the caller's.

    Raises ProviderError `ERR_INPUTS`.
    """
    value = override if override is not None else inputs.get("mode")
    value = default if value is None else value
    for mode in MODES:
        if value == mode:
            return mode
    message = f"mode: expected {' or '.join(MODES)}, got {value!r:.200}"
    meant = str(value).strip().lower()
    slip = corrected({value: meant}) if isinstance(value, str) and meant in MODES else None
    raise ProviderError("ERR_INPUTS", message, hint=slip or Remedy.EITHER_MODE)


def is_mock(mode: str) -> bool:
    """Return whether `mode` promises: deterministic, no network, no secrets."""
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
        """Return the part that an envelope shows: everything but the path."""
        return {"name": self.name, "media_type": self.media_type, "size": self.size, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """Configuration that a provider is told once, before its first request.

    `provider` is a built-in name, an entry point of the group `theoryctl.providers`, or `package.module:Class`.
    `input_schema` and `output_schema` are JSON Schema draft 2020-12 (None: unchecked); the latter is of the values of
    outputs by their names. `timeout` is in seconds, `cpu` in cores and `memory` in MiB: limits that hold where it runs,
    None for no limit. `secrets` holds values by name and never shows in a repr; `withheld` are variables that are not
    among them because they hold the token of a started instance, which is said where one is missing.

    In mock mode `script` or `replay` answers, before the provider's own mock. In real mode every exchange goes to
    `tape`; with `replay` beside it, those that it has are answered from it, as in mock mode, and the others join it.
    `hidden` holds values that nobody may see in a recording, although the provider needs them for nothing. With
    `mock_only` real requests are refused.
    """

    provider: str = "mock"
    ref: str | None = None
    runtime: str = "embedded"
    mode: Mode = "mock"
    default_model: str | None = None
    input_schema: Mapping[str, Any] | None = None
    output_schema: Mapping[str, Any] | None = None
    secret_rules: tuple[SecretRule, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    withheld: tuple[str, ...] = ()
    timeout: float | None = None
    cpu: float | None = None
    memory: int | None = None
    image: str | None = None
    platform: str | None = None
    script: Script | None = None
    replay: Recordings | None = None
    tape: Tape | None = None
    hidden: Mapping[str, str] = field(default_factory=dict, repr=False)
    mock_only: bool = False


def unused_of(config: ProviderConfig) -> dict[str, Any]:
    """Return what has answered nothing so far, as JSON: the names of rules, whether their script is `strict`, and the
    files of recordings, with the number of those that have answered."""
    script, replay = config.script, config.replay
    return {
        "rules": [] if script is None else script.unused,
        "strict": script is not None and bool(script.document.strict),
        "recordings": [] if replay is None else [recording.file_name for recording in replay.unused],
        "recordings_used": 0 if replay is None else replay.used,
    }


def served_modes(config: ProviderConfig) -> dict[str, str]:
    """Return the variables that tell a server which modes it serves; none where it serves both."""
    return {SERVES_VARIABLE: "mock"} if config.mock_only else {}


def limits_told(cpu: float, memory: int) -> dict[str, str]:
    """Return the variable that tells what runs of its limits: `cpu` in cores, `memory` in MiB."""
    return {LIMITS_VARIABLE: json.dumps({"cpu": cpu, "memory": memory})}


def told_limits(config: ProviderConfig) -> ProviderConfig:
    """Return the configuration with the limits that the environment tells of; without them, it is the same."""
    try:
        told = json.loads(os.environ.get(LIMITS_VARIABLE, "{}"))
        return replace(config, cpu=told.get("cpu"), memory=told.get("memory"))
    except (ValueError, AttributeError):  # somebody else's variable
        return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call of a provider.

    `parsed` says that `inputs` came out of `loads`, and so are JSON as it must be; `checked`, that they were validated
    against the input schema already, as a manifest's own example is; `admitted`, that the engine has admitted the same
    request before, and so need not check it again. `mode` overrides `inputs["mode"]`. `streamed` says
    that somebody reads the answer as it comes; for one who waits for all of it, a provider may say it in fewer pieces.
    `timeout` is in seconds and overrides the config's. `vendor` is that of a model which names none, where whoever
    asks speaks a vendor's own API; None: only a mock takes such a model, as one of the default model's vendor.
    Without `retries` a real call is tried once, as is right for a client that tries again by itself. `tools` says
    which of them a mock calls by itself, and overrides the script. With `early_usage`, `Started` tells what is known of
    the usage by then.

    The engine hands providers a `ResolvedRequest` made of it.
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
    admitted: bool = False
    vendor: str | None = None
    retries: bool = True
    tools: Tools | None = None
    early_usage: bool = False
    run_id: str = field(default_factory=new_run_id)

    @property
    def effective_mode(self) -> Mode:
        """The mode that holds where no instance adds one of its own: mock, unless real was said."""
        return self.mode or "mock"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRequest(Request):
    """The request that a provider gets: validated, with its mode and model decided.

    `inputs` hold no "mode"; their "model" is `model`, and each `{"$attach": name}` in them is its `Attachment`. In mock
    mode attachments have no path.
    """

    mode: Mode
    model: str


def resources_of(request: Request) -> ResourcesDocument:
    """Return the limits that hold for a request, as its envelope shows them."""
    config = request.config
    timeout = config.timeout if request.timeout is None else request.timeout
    return {"cpu": config.cpu, "memory": config.memory, "timeout": timeout}
