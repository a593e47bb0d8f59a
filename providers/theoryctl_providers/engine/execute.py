"""The one path of every request: admit it, run the provider with retries, and build the envelope."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from theoryctl_providers.blame import ProviderCrash, blamed
from theoryctl_providers.contract import (
    Attachment,
    Event,
    Log,
    Mode,
    ProviderConfig,
    ProviderError,
    Remedy,
    Request,
    ResolvedRequest,
    Result,
    Started,
    canonical,
    is_mock,
    stated_mode,
)
from theoryctl_providers.contract.calls import TRANSPORT
from theoryctl_providers.contract.json_text import copied
from theoryctl_providers.engine.answer_source import plan_for
from theoryctl_providers.engine.parts import is_prepared, loads_of, texts_of
from theoryctl_providers.engine.secrets import check_secrets, name_key
from theoryctl_providers.engine.transcript import Transcript
from theoryctl_providers.inputs.attach import resolve_attachments
from theoryctl_providers.inputs.normalize import normalized, vendor_in
from theoryctl_providers.inputs.validate import chat_schema, check_inputs, embeddings_schema
from theoryctl_providers.lookup import default_model_of, get_llm_provider
from theoryctl_providers.protocol import LLMProvider

if TYPE_CHECKING:
    from theoryctl_providers.redact import Redactor


async def execute(request: Request) -> AsyncGenerator[Event]:
    """Run one request; the last event is always a `Result` with the envelope, on failure too.

    Everything up to and including `Started` happens without suspending: validation, `$attach`, the check for secrets
    and the provider's imports. Bad inputs are refused before anything is loaded.
    """
    transcript = Transcript(request)
    cause: ProviderError | None = None
    answered_by: str | None = None
    odd: tuple[str, ...] = ()
    resolved: ResolvedRequest | None = None
    try:
        provider = get_llm_provider(request.config.provider)
        resolved = admit(request, provider)
        transcript.admitted(resolved)
        plan = plan_for(provider, resolved)
        answered_by, odd = plan.answered_by, plan.notes
        if not (is_mock(resolved.mode) and loads_of(provider) and is_prepared(provider, resolved.mode)):
            for note in notes_on(resolved, provider):
                yield Log(note if is_mock(resolved.mode) else _without_secrets(note, resolved))
            transcript.loading_ms = prepared(provider, resolved.mode)
        known = plan.usage(resolved) if request.early_usage and plan.usage else None
        yield Started(resolved.model, resolved.mode, plan.suspends, known)
        for note in odd:
            yield Log(note)
        if callable(plan.events):
            for event in plan.events(transcript.answer):
                yield event
        else:
            async with aclosing(_answers(plan.events, resolved)) as answers:
                async for event in answers:
                    transcript.answer.add(event)
                    yield event
        envelope = transcript.success()
    except ProviderError as error:
        if isinstance(error, ProviderCrash):
            yield Log(traceback_of(error, request), debug=True)
        name_key(error, resolved)
        cause = error
        envelope = transcript.failure(error)
    except Exception as error:  # a bug of this engine must not take the caller down
        yield Log(traceback_of(error, request), debug=True)
        cause = _bug(error)
        envelope = transcript.failure(cause)
    yield Result(envelope, cause, transcript.answer, answered_by, odd)


def notes_on(request: ResolvedRequest, provider: LLMProvider) -> list[str]:
    """Tell the caller what it should know before the provider is prepared and a vendor asked."""
    with blamed(provider, "notes"):
        notes = [] if is_mock(request.mode) else texts_of(provider, provider.notes(request))
    if (loads := loads_of(provider)) and not is_prepared(provider, request.mode):
        notes.append(f"loading {loads}, which takes some seconds in a new process")
    return notes


def prepared(provider: LLMProvider, mode: Mode) -> int | None:
    """Prepare a provider, and return the milliseconds that it took to load; None where it was loaded already."""
    is_loaded, begun = not loads_of(provider) or is_prepared(provider, mode), time.monotonic()
    with blamed(provider, "prepare"):
        provider.prepare(mode)
    return None if is_loaded else round((time.monotonic() - begun) * 1000)


def admit(request: Request, provider: LLMProvider) -> ResolvedRequest:
    """The request as a provider gets it: validated, mode and model decided, attachments in place, secrets there.

    Raises ProviderError: `ERR_INPUTS`, `ERR_ATTACHMENT`, `ERR_MISSING_SECRET`.
    """
    config = request.config
    with blamed(provider, "operations"):
        is_done = request.operation in provider.operations
    if not is_done:
        message = f"provider {config.provider!r} does not do {request.operation}"
        raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint="ask an instance of another ref")
    schema = _schema(request)
    if not request.parsed:
        canonical(request.inputs)
    inputs = normalized(request.inputs, schema, _vendor(request))
    if not (request.checked or request.admitted):
        check_inputs(inputs, schema)
    mode = _mode(inputs, request)
    inputs = _as_answered(inputs, request, schema)
    inputs["model"] = inputs.get("model") or _default_model(config)
    if not request.admitted:
        with blamed(provider, "check_inputs"):
            provider.check_inputs(inputs)
    files = [replace(file, path="") for file in request.attachments] if is_mock(mode) else request.attachments
    inputs = resolve_attachments(inputs, files)
    resolved = _resolved(request, mode, inputs, files)
    if not is_mock(mode) and _is_recorded(resolved):
        return replace(resolved, mode="mock", attachments=[replace(file, path="") for file in files])
    if not (request.admitted or is_mock(mode)):
        with blamed(provider, "check"):
            provider.check(resolved)
        with blamed(provider, "secret_rules"):
            own = provider.secret_rules
        check_secrets(config.secret_rules or own, config.secrets, resolved.model, own, config.withheld)
    return resolved


def _mode(inputs: Mapping[str, Any], request: Request) -> Mode:
    """The mode of a request. Raises ProviderError `ERR_UNSUPPORTED_PARAM` for real where mocks alone are served."""
    mode = stated_mode(inputs, request.mode, request.config.mode)
    if request.config.mock_only and not is_mock(mode):
        message = f"mode {mode}: expected mock, for this instance was started to serve nothing else"
        raise ProviderError("ERR_UNSUPPORTED_PARAM", message, hint=Remedy.SERVES_REAL, param="mode")
    return mode


def _as_answered(inputs: Mapping[str, Any], request: Request, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the inputs, for they are the caller's and a provider may write into what it gets: without how the call
    is made, and with integers that are written so. The answer must depend on neither."""
    answered = {name: copied(value) for name, value in inputs.items() if name not in TRANSPORT}
    for name, value in answered.items():
        if isinstance(value, (float, list)) and _is_integral(name, request, schema):
            answered[name] = _whole(value)
    return answered


def _is_recorded(request: ResolvedRequest) -> bool:
    """Return whether a vendor need not be asked: what is missing among recordings is to be recorded, and no more."""
    config = request.config
    if config.tape is None or config.replay is None:
        return False
    from theoryctl_providers.mock.replay import is_recorded

    return is_recorded(config.replay, request)


def _resolved(
    request: Request, mode: Mode, inputs: Mapping[str, Any], attachments: Sequence[Attachment]
) -> ResolvedRequest:
    return ResolvedRequest(
        config=request.config,
        inputs=inputs,
        parsed=True,
        mode=mode,
        model=inputs["model"],
        operation=request.operation,
        attachments=attachments,
        streamed=request.streamed,
        timeout=request.timeout,
        checked=True,
        retries=request.retries,
        tools=request.tools,
        run_id=request.run_id,
    )


def _schema(request: Request) -> Mapping[str, Any]:
    """The schema of the inputs: a manifest's are those of a chat; embeddings have the same everywhere."""
    if request.operation == "embeddings":
        return embeddings_schema()
    return chat_schema() if request.config.input_schema is None else request.config.input_schema


def _vendor(request: Request) -> str | None:
    """The vendor of a model that names none: the default model's. A mock answers to every name; a real call does not go
    to the default's vendor with the well-known name of another's model."""
    if request.vendor is not None:
        return request.vendor
    try:
        model = request.inputs.get("model")
        if not isinstance(model, str) or "/" in model:  # most name it
            return None
        vendor = vendor_in(default_model_of(request.config))
        if is_mock(stated_mode(request.inputs, request.mode, request.config.mode)):
            return vendor
    except (ProviderError, AttributeError):  # the schema says better what is wrong
        return None
    from theoryctl_providers.inputs.families import vendor_meant

    return vendor_meant(model, vendor)


def _is_integral(name: str, request: Request, schema: Mapping[str, Any]) -> bool:
    """Return whether numbers of an input are integers, as all in embeddings are: tokens, and how many dimensions."""
    return request.operation == "embeddings" or schema.get("properties", {}).get(name, {}).get("type") == "integer"


def _whole(value: Any) -> Any:
    """Integers written as 5.0, which JSON Schema takes for what they are and vendors do not, as 5; in lists too."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) else value


def traceback_of(error: Exception, request: Request) -> str:
    """The traceback as text, without secrets."""
    import traceback

    return _without_secrets("".join(traceback.format_exception(error)), request)


def _without_secrets(text: str, request: Request) -> str:
    from theoryctl_providers.redact import Redactor, secrets_of

    return Redactor(secrets_of(request)).error_text(text)


def _bug(error: Exception) -> ProviderError:
    message = f"the engine failed with {type(error).__name__}: {error}"
    return ProviderError("ERR_INTERNAL", message, hint=Remedy.TRACEBACK)


def _default_model(config: ProviderConfig) -> str:
    if default := default_model_of(config):
        return default
    hint = f"name a model, or set {type(get_llm_provider(config.provider)).__name__}.default_model"
    raise ProviderError("ERR_INPUTS", "inputs: $: 'model' is missing", hint=hint, param="model")


def _answers(events: AsyncGenerator[Event], request: ResolvedRequest) -> AsyncGenerator[Event]:
    """The events of a plan; in real mode, without the secrets that it has, and where they are to be, on tape."""
    if is_mock(request.mode):
        return events
    from theoryctl_providers.redact import Redactor, secrets_of

    tape = request.config.tape
    if tape is None or request.operation == "count_tokens":  # a replay counts as a mock does
        return _clean(events, Redactor(secrets_of(request)))
    from theoryctl_providers.mock.replay import recorded

    # What is recorded is what is shown, chunk by chunk: replayed, it is the same.
    return recorded(_clean(events, Redactor(secrets_of(request), addresses=True)), request, tape)


async def _clean(events: AsyncGenerator[Event], redactor: Redactor) -> AsyncGenerator[Event]:
    """The events without any secret's value."""
    async for event in events:
        for clean in redactor.feed(event):
            yield clean
    for clean in redactor.flush():
        yield clean
