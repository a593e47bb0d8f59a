"""Answers from a script: which rule fits a request, and the events of its answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NoReturn

from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Event,
    Finish,
    Output,
    ProviderError,
    ResolvedRequest,
    Script,
    ScriptedFailure,
    ToolCallDelta,
    Usage,
    canonical,
    document_of,
    dumps,
    sha256,
)
from theoryctl_providers.contract.script import Rule, ScriptedAnswer, ScriptedFault, ScriptedToolCall, UserSays
from theoryctl_providers.inputs.normalize import counted
from theoryctl_providers.mock.provider import inputs_as_json, prompt_tokens, text_of, tokens

#: Bytes that a compiled regular expression may take, so that `a{999}{999}` is refused.
PATTERN_BYTES = 1 << 20

#: Seconds that an answer with delays, or one that never comes, may take where neither request nor config says it.
DEFAULT_TIMEOUT = 120.0

_AGAIN = "run it again"

#: A delta with the seconds to wait before it.
Step = tuple[float, Delta]


def choose(script: Script, request: ResolvedRequest) -> tuple[ScriptedAnswer, str] | None:
    """The answer of the first rule that fits and has one left, with the rule's name; None where the mock is to answer.
    Rules are about chats: none fits a request for embeddings.

    Raises ProviderError `ERR_SCRIPT_MISS` where no rule of a strict script does, with what the nearest one wants.
    """
    if request.operation != "chat":
        _check_strict(script, request)
        return None
    facts = _facts_of(request)
    for index, rule in enumerate(script.document.rules):
        if all(holds for _, holds in _conditions(rule, facts)) and (answer := script.take(index)) is not None:
            return answer, _called(index, rule)
    if script.document.strict and script.document.rules:
        raise _miss(script, facts)
    return None


def waits(answer: ScriptedAnswer) -> bool:
    """Return whether the answer takes time, and so needs an event loop."""
    stalls = answer.fault is not None and answer.fault.kind == "stall"
    return stalls or answer.delay > 0 or any(chunk.delay for chunk in answer.chunks)


async def play(answer: ScriptedAnswer, request: ResolvedRequest) -> AsyncGenerator[Event]:
    """The events of the answer; of one that waits, those that come within the request's time-out.

    Raises ProviderError for a fault: what its status means for `error`, `ERR_TIMEOUT` for `stall`,
    `ERR_BAD_RESPONSE` for `truncate`, and for `disconnect` that too, or `ERR_UNREACHABLE` before the first chunk.
    """
    events = _events(answer, request)
    if waits(answer):
        from theoryctl_providers.deadline import deadline_in, until

        seconds = request.timeout or request.config.timeout or DEFAULT_TIMEOUT
        events = until(deadline_in(seconds), events, seconds)
    async for event in events:
        yield event


async def _events(answer: ScriptedAnswer, request: ResolvedRequest) -> AsyncGenerator[Event]:
    come = 0
    for delay, delta in _steps(answer, request):
        if answer.fault is not None and come == answer.fault.after:
            break
        await _pause(delay + (0 if come else answer.delay))
        come += 1
        yield delta
    if answer.fault is not None:
        await _pause(0 if come else answer.delay)
        await _fail(answer.fault, request.model, begun=come > 0)
    for event in _beside(answer, request):
        yield event
    for choice in range(_choices(request)):
        yield Finish(choice, answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop"))
    yield _usage(answer, request, come)


async def _pause(seconds: float) -> None:
    if seconds:
        import asyncio

        await asyncio.sleep(seconds)


# -- what comes -------------------------------------------------------------------------------------------------------


def _choices(request: ResolvedRequest) -> int:
    return request.inputs.get("n") or 1


def _beside(answer: ScriptedAnswer, request: ResolvedRequest) -> Iterator[Event]:
    """Yield what goes with the text and is no part of it: sources, and log probabilities where they are asked for."""
    asked = request.inputs.get("logprobs") or request.inputs.get("top_logprobs")
    for choice in range(_choices(request)):
        for source in answer.annotations:
            yield Annotation(choice, {"type": "url_citation", "url_citation": document_of(source)})
        if answer.logprobs is not None and asked:
            yield Output(f"logprobs.{choice}" if choice else "logprobs", "application/json", answer.logprobs)


def _steps(answer: ScriptedAnswer, request: ResolvedRequest) -> Iterator[Step]:
    for choice in range(_choices(request)):
        for reasoning in tokens(answer.reasoning or ""):
            yield 0.0, Delta(choice, reasoning=reasoning)
        for delay, text in _pieces(answer):
            yield delay, Delta(choice, text=text)
        for refusal in tokens(answer.refusal or ""):
            yield 0.0, Delta(choice, refusal=refusal)
        for index, call in enumerate(answer.tool_calls):
            for part in _call(call, index, call.id or _made_up_id(request, choice, index)):
                yield 0.0, Delta(choice, tool_call=part)


def _pieces(answer: ScriptedAnswer) -> Iterator[tuple[float, str]]:
    if answer.chunks:
        return ((chunk.delay, chunk.text) for chunk in answer.chunks)
    text = dumps(answer.json) if answer.json is not None else answer.text or ""
    return ((0.0, piece) for piece in tokens(text))


def _made_up_id(request: ResolvedRequest, choice: int, index: int) -> str:
    seed = canonical([inputs_as_json(counted(request.inputs)), choice, index])
    return f"call_{sha256(seed)[7:31]}"


def _call(call: ScriptedToolCall, index: int, call_id: str) -> Iterator[ToolCallDelta]:
    arguments = call.arguments if isinstance(call.arguments, str) else dumps(call.arguments)
    yield ToolCallDelta(index, id=call_id, name=call.name)
    yield from (ToolCallDelta(index, piece) for piece in tokens(arguments))


def _usage(answer: ScriptedAnswer, request: ResolvedRequest, deltas: int) -> Usage:
    told = answer.usage
    return Usage(
        input_tokens=prompt_tokens(inputs_as_json(request.inputs)) if told.input_tokens is None else told.input_tokens,
        output_tokens=deltas if told.output_tokens is None else told.output_tokens,
        cost_usd=0.0 if told.cost_usd is None else told.cost_usd,
        cached_input_tokens=told.cached_input_tokens,
        cache_write_tokens=told.cache_write_tokens,
        reasoning_tokens=told.reasoning_tokens,
    )


# -- faults -----------------------------------------------------------------------------------------------------------


async def _fail(fault: ScriptedFault, model: str, *, begun: bool) -> NoReturn:
    match fault.kind:
        case "error":
            raise _http_error(fault, model)
        case "stall":
            await _for_ever()
        case "disconnect" if not begun:
            message = f"the script cut the connection for {model}"
            raise ScriptedFailure("ERR_UNREACHABLE", message, hint=_AGAIN, kind="disconnect")
        case kind:
            message = f"the script broke off the answer of {model} before its end"
            raise ScriptedFailure("ERR_BAD_RESPONSE", message, hint=_AGAIN, kind=kind)


def _http_error(fault: ScriptedFault, model: str) -> ScriptedFailure:
    from theoryctl_providers.status import answered

    status = fault.status or 500
    meant = answered(status, fault.message or "", model, who="the script")
    return ScriptedFailure(
        meant.code, meant.message, hint=meant.hint, kind="error", status=status, retry_after=fault.retry_after
    )


async def _for_ever() -> NoReturn:
    import asyncio

    while True:
        await asyncio.sleep(3600)


# -- conditions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Facts:
    """The facts of a request that conditions ask about."""

    model: str
    user: str
    turn: int
    tools: tuple[str, ...]
    attachments: tuple[str, ...]


def _facts_of(request: ResolvedRequest) -> _Facts:
    messages = request.inputs.get("messages") or []
    said = [text_of(message) for message in messages if message.get("role") == "user"]
    functions = (tool.get("function") for tool in request.inputs.get("tools") or ())
    return _Facts(
        model=request.model,
        user=said[-1] if said else "",
        turn=1 + sum(message.get("role") == "assistant" for message in messages),
        tools=tuple(function["name"] for function in functions if function),
        attachments=tuple(attachment.name for attachment in request.attachments),
    )


def _conditions(rule: Rule, facts: _Facts) -> Iterator[tuple[str, bool]]:
    """Each condition of the rule as it is written, and whether it holds."""
    when = rule.when
    if when.model is not None:
        yield f"model: {when.model}", fnmatchcase(facts.model, when.model)
    if when.user is not None:
        yield from _said(when.user, facts.user)
    if when.turn is not None:
        yield f"turn: {when.turn}", facts.turn == when.turn
    for tool in when.tools:
        yield f"tools: {tool}", tool in facts.tools
    for pattern in when.attachments:
        yield f"attachments: {pattern}", any(fnmatchcase(name, pattern) for name in facts.attachments)


def _said(user: UserSays, text: str) -> Iterator[tuple[str, bool]]:
    if user.equals is not None:
        yield f"user.equals: {dumps(user.equals)}", text == user.equals
    if user.contains is not None:
        yield f"user.contains: {dumps(user.contains)}", user.contains in text
    if user.regex is not None:
        yield f"user.regex: {dumps(user.regex)}", compile_pattern(user.regex).is_valid(text)


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> Any:
    """A matcher whose `is_valid(text)` takes time linear in the text. Raises ProviderError `ERR_SCRIPT` for none."""
    # Rust's regex engine by way of JSON Schema's `pattern`: it cannot backtrack, and it is here already.
    import jsonschema_rs

    options = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES)
    try:
        return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=options)
    except ValueError:
        message = f"the script's regex {dumps(pattern)} is none, or too large"
        raise ProviderError("ERR_SCRIPT", message, hint="there are no look-arounds and no back references") from None


def _check_strict(script: Script, request: ResolvedRequest) -> None:
    if script.document.strict:
        message = f"no rule of a script answers {request.operation}, and this script is strict"
        raise ProviderError("ERR_SCRIPT_MISS", message, hint="leave strict out: the mock then answers them")


def _miss(script: Script, facts: _Facts) -> ProviderError:
    """The error that names the rule of which most conditions hold, and those that do not."""
    rules = script.document.rules
    found = [list(_conditions(rule, facts)) for rule in rules]
    scores = [sum(holds or -1 for _, holds in conditions) for conditions in found]
    index = scores.index(max(scores))
    failed = ", ".join(text for text, holds in found[index] if not holds) or "an answer that is left"
    message = f"no rule of the script fits; the nearest is {_called(index, rules[index])}, which wants {failed}"
    return ProviderError("ERR_SCRIPT_MISS", f"{message}; {_found(facts)}", hint="add a rule, or leave strict out")


def _called(index: int, rule: Rule) -> str:
    return f"rule {index + 1} ({rule.name})" if rule.name else f"rule {index + 1}"


def _found(facts: _Facts) -> str:
    user = facts.user if len(facts.user) <= 80 else f"{facts.user[:80]}…"
    parts = [f"found model {facts.model}, turn {facts.turn}, user {dumps(user)}"]
    parts += [f"tools {', '.join(facts.tools)}"] if facts.tools else []
    parts += [f"attachments {', '.join(facts.attachments)}"] if facts.attachments else []
    return ", ".join(parts)
