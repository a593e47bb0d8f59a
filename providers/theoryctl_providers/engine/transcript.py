"""Collect the events of a run, and make the envelope of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, cast

from theoryctl_providers.contract import (
    MODES,
    Envelope,
    ErrorInfo,
    Mode,
    Output,
    OutputDocument,
    ProviderError,
    Request,
    ResolvedRequest,
    Stopwatch,
    Usage,
    UsageDocument,
    VendorDocument,
    VendorInfo,
    build_envelope,
    canonical,
    loads,
    resources_of,
    sha256,
)
from theoryctl_providers.contract.answer import Answer, Choice, ToolCall

TEXT, JSON = "text/plain", "application/json"


class Transcript:
    """The answer to one request. `admitted` tells it the resolved request, of which the envelope speaks."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._resolved: ResolvedRequest | None = None
        self._stopwatch = Stopwatch()
        self.answer = Answer()
        self._outputs: list[OutputDocument] = []
        #: Milliseconds that it took to load the provider; None where it was loaded already.
        self.loading_ms: int | None = None

    def admitted(self, resolved: ResolvedRequest) -> None:
        """Take note of the request as it was admitted, with its mode and model."""
        self._resolved = resolved

    def success(self) -> Envelope:
        """The envelope of a run that went well. Raises ProviderError for outputs that do not fit their schema."""
        self._outputs = [*map(_document, self.answer.outputs), *self._choices()]
        if self._request.config.output_schema is not None:
            from theoryctl_providers.engine.output_check import check_outputs

            check_outputs(self._outputs, self._resolved or self._request)
        return self._envelope(None)

    def failure(self, error: ProviderError) -> Envelope:
        """The envelope of a run that failed, without a secret in the error; nor is one left in its `param` and
        `vendor_code`, which callers are told too. It has outputs only where the answer was whole, and did not fit: it
        is paid for."""
        from theoryctl_providers.redact import Redactor, secrets_of

        redactor = Redactor(secrets_of(self._resolved or self._request))
        clean = redactor.error_text
        if error.headers is not None:
            told = self.answer.vendor or VendorInfo()
            self.answer.vendor = replace(told, headers=redactor.value(dict(error.headers)))
        error.param = error.param and clean(error.param)
        error.vendor_code = error.vendor_code and clean(error.vendor_code)
        hint = None if error.hint is None else clean(error.hint)
        info = ErrorInfo(code=error.code, message=clean(error.message), hint=hint, retryable=error.retryable)
        return self._envelope(info)

    def _choices(self) -> list[OutputDocument]:
        outputs: list[OutputDocument] = []
        for index in sorted(self.answer.choices):
            choice, suffix = self.answer.choices[index], f".{index}" if index else ""
            beside = list(_beside_the_answer(choice, suffix))
            if choice.pieces or not (choice.calls or choice.refusal or self._has_file(suffix)):
                outputs.append(self._answer(choice.text, suffix))
            outputs += [*map(_document, beside), {**_reason(choice.finish), "name": f"finish_reason{suffix}"}]
        return outputs

    def _has_file(self, suffix: str) -> bool:
        """True where a choice was answered by an image or the like; then no text is no empty answer."""
        return any(isinstance(output.value, bytes) and _suffix(output.name) == suffix for output in self.answer.outputs)

    def _answer(self, text: str, suffix: str) -> OutputDocument:
        """A structured answer as JSON where it is whole; cut short by max_tokens, it stays the text it is."""
        wanted = self._request.inputs.get("response_format") or {}
        if wanted.get("type") in ("json_object", "json_schema"):
            try:
                return _document(Output(f"answer{suffix}", JSON, loads(text)))
            except ProviderError:
                pass
        return _text(f"answer{suffix}", text)

    def _envelope(self, error: ErrorInfo | None) -> Envelope:
        request, resolved, config = self._request, self._resolved, self._request.config
        return build_envelope(
            run_id=request.run_id,
            ref=config.ref,
            mode=resolved.mode if resolved else _known(request.mode),
            runtime=config.runtime,
            model=resolved.model if resolved else None,
            outputs=self._outputs,
            usage=_usage(self.answer.usage),
            error=error,
            stopwatch=self._stopwatch,
            image=config.image,
            platform=config.platform,
            attachments=[attachment.public() for attachment in request.attachments],
            secrets_present=[name for name, value in config.secrets.items() if value],
            loading_ms=self.loading_ms,
            resources=resources_of(request),
            vendor=None if self.answer.vendor is None else cast(VendorDocument, asdict(self.answer.vendor)),
        )


def _known(mode: Mode | None) -> Mode | None:
    """The mode that was asked for, None where there is none of that name: an envelope has no other."""
    return mode if mode in MODES else None


def _usage(usage: Usage) -> UsageDocument:
    # By hand: dataclasses.asdict copies deeply, which costs an eighth of a mock request.
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
        "cached_input_tokens": usage.cached_input_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _beside_the_answer(choice: Choice, suffix: str) -> Iterator[Output]:
    if choice.calls:
        documents = [_call_document(choice.calls[at]) for at in sorted(choice.calls)]
        yield Output(f"tool_calls{suffix}", JSON, documents)
    if choice.reasoning:
        yield Output(f"reasoning{suffix}", TEXT, "".join(choice.reasoning))
    if choice.refusal:
        yield Output(f"refusal{suffix}", TEXT, "".join(choice.refusal))
    if choice.annotations:
        yield Output(f"annotations{suffix}", JSON, [dict(value) for value in choice.annotations])


def _suffix(name: str) -> str:
    """The part of an output's name that says which choice it belongs to; empty for the first."""
    _, dot, number = name.rpartition(".")
    return f".{number}" if dot else ""


def _call_document(call: ToolCall) -> dict[str, Any]:
    """The call with its arguments parsed; text that is not JSON, as models write at times, stays text."""
    text = "".join(call.arguments)
    try:
        arguments = loads(text or "{}")
    except ProviderError:
        arguments = text
    extra = {} if call.extra_content is None else {"extra_content": dict(call.extra_content)}
    return {"id": call.id, "name": call.name, "arguments": arguments, **extra}


def _document(output: Output) -> OutputDocument:
    if isinstance(output.value, bytes):
        return {**_head(output, output.value), "base64": base64.b64encode(output.value).decode()}
    if output.media_type == JSON:
        return {**_head(output, canonical(output.value, checked=True)), "json": output.value}
    return _text(output.name, output.value, output.media_type)


def _text(name: str, text: str, media_type: str = TEXT) -> OutputDocument:
    data = text.encode()
    return {"name": name, "media_type": media_type, "size": len(data), "digest": sha256(data), "text": text}


@lru_cache(maxsize=64)
def _reason(text: str) -> OutputDocument:
    """The output of a reason, of which there are a handful."""
    return _text("finish_reason", text)


def _head(output: Output, data: bytes) -> OutputDocument:
    return OutputDocument(name=output.name, media_type=output.media_type, size=len(data), digest=sha256(data))
