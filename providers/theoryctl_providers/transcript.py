"""What a run has said so far, and the envelope made of it."""

from __future__ import annotations

from typing import Any

from theoryctl_providers.contract import (
    Delta,
    Envelope,
    ErrorInfo,
    Event,
    Finish,
    Output,
    OutputDocument,
    ProviderError,
    Request,
    Stopwatch,
    ToolCallDelta,
    Usage,
    UsageDocument,
    build_envelope,
    canonical,
    loads,
    sha256,
)
from theoryctl_providers.redact import Redactor, secrets_of

TEXT, JSON = "text/plain", "application/json"


class Transcript:
    """Collects the events of one request. `admitted` tells it the resolved request, of which the envelope speaks."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._resolved: Request | None = None
        self._stopwatch = Stopwatch()
        self._texts: dict[int, list[str]] = {}
        self._calls: dict[int, dict[int, _ToolCall]] = {}
        self._finishes: dict[int, str] = {}
        self._outputs: list[Output] = []
        self._usage = Usage()

    def admitted(self, resolved: Request) -> None:
        """From here on mode and model are known."""
        self._resolved = resolved

    def add(self, event: Event) -> None:
        """Take in one event. Raises ProviderError `ERR_BAD_RESPONSE` for text that is not Unicode."""
        if isinstance(event, Delta):
            self._add_delta(event)
        elif isinstance(event, Finish):
            self._finishes[event.choice] = event.reason
            self._texts.setdefault(event.choice, [])
        elif isinstance(event, Output):
            self._outputs.append(event)
        elif isinstance(event, Usage):
            self._usage = event

    def success(self) -> Envelope:
        """The envelope of a run that went well."""
        outputs = [_document(output) for output in (*self._outputs, *self._choices())]
        return self._envelope(outputs, None)

    def failure(self, error: ProviderError) -> Envelope:
        """The envelope of a run that failed: no outputs, and no secret in the error."""
        clean = Redactor(secrets_of(self._resolved or self._request)).error_text
        hint = None if error.hint is None else clean(error.hint)
        info = ErrorInfo(code=error.code, message=clean(error.message), hint=hint, retryable=error.retryable)
        return self._envelope([], info)

    def _add_delta(self, delta: Delta) -> None:
        if delta.tool_call is not None:
            calls = self._calls.setdefault(delta.choice, {})
            calls.setdefault(delta.tool_call.index, _ToolCall()).add(delta.tool_call)
        if delta.text:
            _check_unicode(delta.text)
            self._texts.setdefault(delta.choice, []).append(delta.text)

    def _choices(self) -> list[Output]:
        outputs = []
        for choice in sorted({*self._texts, *self._calls}):
            suffix = f".{choice}" if choice else ""
            calls, text = self._calls.get(choice), "".join(self._texts.get(choice, ()))
            if calls:
                documents = [calls[index].document() for index in sorted(calls)]
                outputs.append(Output(f"tool_calls{suffix}", JSON, documents))
            if text or not calls:
                outputs.append(self._answer(text, suffix))
            outputs.append(Output(f"finish_reason{suffix}", TEXT, self._finishes.get(choice, "stop")))
        return outputs

    def _answer(self, text: str, suffix: str) -> Output:
        """A structured answer as JSON where it is whole; cut short by max_tokens, it stays the text it is."""
        wanted = self._request.inputs.get("response_format") or {}
        if wanted.get("type") in ("json_object", "json_schema"):
            try:
                return Output(f"answer{suffix}", JSON, loads(text))
            except ProviderError:
                pass
        return Output(f"answer{suffix}", TEXT, text)

    def _envelope(self, outputs: list[OutputDocument], error: ErrorInfo | None) -> Envelope:
        request, resolved, config = self._request, self._resolved, self._request.config
        usage = self._usage
        return build_envelope(
            run_id=request.run_id,
            ref=config.ref,
            mode=(resolved or request).mode,
            runtime=config.runtime,
            model=resolved.inputs["model"] if resolved else None,
            outputs=outputs,
            usage=UsageDocument(
                input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost_usd=usage.cost_usd
            ),
            error=error,
            stopwatch=self._stopwatch,
            image=config.image,
            platform=config.platform,
            attachments=[attachment.public() for attachment in request.attachments],
            secrets_present=[name for name, value in config.secrets.items() if value],
        )


class _ToolCall:
    def __init__(self) -> None:
        self._id = self._name = ""
        self._arguments: list[str] = []

    def add(self, delta: ToolCallDelta) -> None:
        _check_unicode(delta.arguments)
        self._id = self._id or delta.id or ""
        self._name = self._name or delta.name or ""
        self._arguments.append(delta.arguments)

    def document(self) -> dict[str, Any]:
        """The call with its arguments parsed; text that is not JSON, as models write at times, stays text."""
        text = "".join(self._arguments)
        try:
            arguments = loads(text or "{}")
        except ProviderError:
            arguments = text
        return {"id": self._id, "name": self._name, "arguments": arguments}


def _document(output: Output) -> OutputDocument:
    is_json = output.media_type == JSON
    data = canonical(output.value) if is_json else output.value.encode()
    document = OutputDocument(name=output.name, media_type=output.media_type, size=len(data), digest=sha256(data))
    return {**document, "json": output.value} if is_json else {**document, "text": output.value}


def _check_unicode(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        message = "the vendor's answer holds text that is not Unicode"
        raise ProviderError("ERR_BAD_RESPONSE", message, hint="try again") from None
