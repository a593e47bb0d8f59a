"""The JSON documents that every runtime gives back, and the one function that makes the envelope."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from operator import itemgetter
from typing import Any, Literal, NotRequired, TypedDict

from theoryctl_providers.contract.errors import ProviderError

VERSION = "0.2.0"
ENVELOPE_SCHEMA: Literal["theoryctl.run/v1"] = "theoryctl.run/v1"
ERROR_SCHEMA = "theoryctl.error/v1"

Mode = Literal["mock", "real"]


class OutputDocument(TypedDict):
    """One output; exactly one of `text`, `json`, `base64` and `path` is there.

    `size` is in bytes, and `digest` is of those bytes.
    """

    name: str
    media_type: str
    size: int
    digest: str
    text: NotRequired[str]
    json: NotRequired[Any]
    base64: NotRequired[str]
    path: NotRequired[str]


class UsageDocument(TypedDict):
    """Tokens in and out and the price in US dollars; null where unknown.

    `cached_input_tokens` and `cache_write_tokens` are among the input tokens, `reasoning_tokens` among the output
    tokens.
    """

    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None


class ErrorInfo(TypedDict):
    """An error: the failure (`message`), the next step (`hint`), and whether the same call may succeed later."""

    code: str
    message: str
    hint: str | None
    retryable: bool


class AttachmentDocument(TypedDict):
    """An attachment as the envelope shows it: never its path or content."""

    name: str
    media_type: str
    size: int
    digest: str


class VendorDocument(TypedDict):
    """The model that really answered, as the vendor named it, and the rate-limit headers it sent; null: not said."""

    model: str | None
    system_fingerprint: str | None
    service_tier: str | None
    headers: dict[str, str]


class ResourcesDocument(TypedDict):
    """Limits that held for a run: `cpu` in cores, `memory` in MiB, `timeout` in seconds; null for no limit."""

    cpu: float | None
    memory: int | None
    timeout: float | None


class Meta(TypedDict):
    """Place and time of a run. `started_at` is UTC in RFC 3339, `duration_ms` wall-clock milliseconds.

    `loading_ms` are those of them that went into loading the provider; null where it was loaded, or nobody measured.
    `resources` is null where nothing ran.
    """

    image: str | None
    platform: str | None
    started_at: str
    duration_ms: int
    loading_ms: int | None
    attachments: list[AttachmentDocument]
    secrets_present: list[str]
    vendor: VendorDocument | None
    resources: ResourcesDocument | None
    version: str


class Envelope(TypedDict):
    """The result of a run, `theoryctl.run/v1`: one shape in every runtime and mode, success or failure."""

    schema: Literal["theoryctl.run/v1"]
    status: Literal["success", "error"]
    run_id: str
    ref: str | None
    mode: Mode | None
    runtime: str
    model: str | None
    outputs: list[OutputDocument]
    usage: UsageDocument
    error: ErrorInfo | None
    meta: Meta


def unknown_usage() -> UsageDocument:
    """The usage of a run of which nobody said any."""
    return UsageDocument(
        input_tokens=None,
        output_tokens=None,
        cost_usd=None,
        cached_input_tokens=None,
        cache_write_tokens=None,
        reasoning_tokens=None,
    )


class Stopwatch:
    """Start of a run (UTC, RFC 3339 with milliseconds) and the milliseconds since."""

    def __init__(self) -> None:
        seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
        self.started_at = f"{_second(seconds)}.{milliseconds:03}Z"
        self._start = time.monotonic()

    @property
    def duration_ms(self) -> int:
        return round((time.monotonic() - self._start) * 1000)


@lru_cache(maxsize=1)  # a server has many requests in a second
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_epoch))


def document_of(value: Any) -> dict[str, Any]:
    """A dataclass as JSON. A field that is None is absent: people's documents have no null for that."""
    return asdict(value, dict_factory=lambda items: {name: item for name, item in items if item is not None})


def new_run_id() -> str:
    """A fresh id for one run: `run_` and 32 random hex digits."""
    return f"run_{os.urandom(16).hex()}"


def build_envelope(
    *,
    error: ErrorInfo | None,
    ref: str | None,
    mode: Mode | None = None,
    runtime: str = "embedded",
    model: str | None = None,
    outputs: Iterable[OutputDocument] = (),
    usage: UsageDocument | None = None,
    run_id: str | None = None,
    stopwatch: Stopwatch | None = None,
    image: str | None = None,
    platform: str | None = None,
    attachments: Iterable[AttachmentDocument] = (),
    secrets_present: Iterable[str] = (),
    vendor: VendorDocument | None = None,
    loading_ms: int | None = None,
    resources: ResourcesDocument | None = None,
) -> Envelope:
    """The envelope of a run, of one that was refused before it began as well. Outputs are sorted by name."""
    stopwatch = stopwatch or Stopwatch()
    # Written out: a call of a TypedDict is one of `dict` with all these as its keywords.
    return {
        "schema": ENVELOPE_SCHEMA,
        "status": "error" if error else "success",
        "run_id": run_id or new_run_id(),
        "ref": ref,
        "mode": mode,
        "runtime": runtime,
        "model": model,
        "outputs": sorted(outputs, key=itemgetter("name")),
        "usage": usage or unknown_usage(),
        "error": error,
        "meta": {
            "image": image,
            "platform": platform,
            "started_at": stopwatch.started_at,
            "duration_ms": stopwatch.duration_ms,
            "loading_ms": loading_ms,
            "attachments": list(attachments),
            "secrets_present": sorted(secrets_present),
            "vendor": vendor,
            "resources": resources,
            "version": VERSION,
        },
    }


def info_of(error: ProviderError) -> ErrorInfo:
    """A refusal of our own, which holds no secrets, as an envelope would have it."""
    return {"code": error.code, "message": error.message, "hint": error.hint, "retryable": error.retryable}
