"""Answers from a script: which rule fits a request, and the events of its answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import replace
from itertools import islice
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
from theoryctl_providers.contract.json_text import cut
from theoryctl_providers.contract.script_document import NEWEST
from theoryctl_providers.contract.scripted_answer import (
    FROM_SCHEMA,
    ScriptedAnnotation,
    ScriptedAnswer,
    ScriptedFault,
    ScriptedToolCall,
    finish_of,
)
from theoryctl_providers.inputs.functions import in_tools
from theoryctl_providers.inputs.normalize import counted
from theoryctl_providers.mock.conditions import conditions, facts_of, miss
from theoryctl_providers.mock.ignoring import ignoring_of
from theoryctl_providers.mock.provider import Making, inputs_as_json, prompt_usage, tokens
from theoryctl_providers.mock.tool_turns import calls_in_turn, next_tool

#: Seconds that an answer with delays, or one that never comes, may take where neither request nor config says it.
DEFAULT_TIMEOUT = 120.0

_AGAIN = "run it again"

#: A delta with the seconds to wait before it.
Step = tuple[float, Delta]


def choose(script: Script, request: ResolvedRequest) -> tuple[ScriptedAnswer, str] | None:
    """The answer of the first rule that fits and has one, with the rule's name; None where the mock is to answer.
    Rules are about chats: none fits a request for embeddings.

    Raises ProviderError `ERR_SCRIPT_MISS` where no rule of a strict script does, with what the nearest one wants; but
    with recordings, which answer then.
    """
    is_strict = bool(script.document.strict) and request.config.replay is None
    if request.operation != "chat":
        if is_strict:
            raise _no_chat(request)
        return None
    facts = facts_of(request, ignoring_of(script.document.ignore))
    for index, rule in enumerate(script.document.rules):
        if all(holds for _, holds in conditions(rule, facts)) and (answer := _answer(script, index, request)):
            script.note(index)
            return answer, script.name_of(index)
    if is_strict and script.document.rules:
        raise miss(script, facts)
    return None


def _answer(script: Script, index: int, request: ResolvedRequest) -> ScriptedAnswer | None:
    """The answer of a rule: the next of its own, or before them the call of a tool."""
    each = script.document.rules[index].tools == "each" and request.tools != "none"
    tool = next_tool(request.inputs) if each else None
    if tool is None:
        return script.take(index, calls_in_turn(request.inputs))
    return ScriptedAnswer(tool_calls=(ScriptedToolCall(name=tool["name"], arguments=FROM_SCHEMA),))


def waits(answer: ScriptedAnswer) -> bool:
    """Return whether the answer takes time, and so needs an event loop."""
    stalls = answer.fault is not None and answer.fault.kind == "stall"
    paced = answer.delay or answer.ttft or answer.tokens_per_second
    return stalls or bool(paced) or any(chunk.delay for chunk in answer.chunks)


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
    come, after = 0, None if answer.fault is None else answer.fault.after
    async for delta in _paced(answer, islice(_steps(answer, request), after)):
        come += 1
        yield delta
    if answer.fault is not None:
        await _pause(0 if come else _first(answer))
        await _fail(answer.fault, request.model, begun=come > 0)
    for event in _beside(answer, request):
        yield event
    for choice in range(_choices(request)):
        yield Finish(choice, finish_of(answer))
    yield _usage(answer, request, come)


async def _paced(answer: ScriptedAnswer, steps: Iterator[Step]) -> AsyncGenerator[Delta]:
    """Yield each delta when it is due. A rate is kept by the clock, for each sleep takes a little too long."""
    rate, begun = answer.tokens_per_second, 0.0
    for number, (delay, delta) in enumerate(steps):
        await _pause(delay if number else delay + _first(answer))
        if rate is not None and number:
            await _pause(begun + number / rate - time.monotonic())
        elif rate is not None:
            begun = time.monotonic()
        yield delta


def _first(answer: ScriptedAnswer) -> float:
    """The seconds before anything comes."""
    return answer.delay or answer.ttft


async def _pause(seconds: float) -> None:
    if seconds > 0:
        import asyncio

        await asyncio.sleep(seconds)


# -- what comes -------------------------------------------------------------------------------------------------------


def _choices(request: ResolvedRequest) -> int:
    return request.inputs.get("n") or 1


def _beside(answer: ScriptedAnswer, request: ResolvedRequest) -> Iterator[Event]:
    """Yield what goes with the text and is no part of it: sources, log probabilities where they are asked for, and the
    stop sequence."""
    asked = request.inputs.get("logprobs") or request.inputs.get("top_logprobs")
    for choice in range(_choices(request)):
        for source in answer.annotations:
            yield Annotation(choice, {"type": "url_citation", "url_citation": _cited(source, answer)})
        if answer.logprobs is not None and asked:
            yield Output(f"logprobs.{choice}" if choice else "logprobs", "application/json", answer.logprobs)
        if answer.stop_sequence is not None:
            yield Output(f"stop_sequence.{choice}" if choice else "stop_sequence", "text/plain", answer.stop_sequence)


def _cited(source: ScriptedAnnotation, answer: ScriptedAnswer) -> dict[str, Any]:
    """The facts of a source: what is left out is its address as title, and all of the text as its place. OpenAI says
    all four (openai 3.57, types/chat/chat_completion_message.py), and clients refuse an answer without one."""
    length = sum(len(text) for _, text in _pieces(answer))
    return {"url": source.url, "title": source.url, "start_index": 0, "end_index": length, **document_of(source)}


def _steps(answer: ScriptedAnswer, request: ResolvedRequest) -> Iterator[Step]:
    for choice in range(_choices(request)):
        for reasoning in tokens(answer.reasoning or ""):
            yield 0.0, Delta(choice, reasoning=reasoning)
        for delay, text in _pieces(answer):
            yield delay, Delta(choice, text=text)
        for refusal in tokens(answer.refusal or ""):
            yield 0.0, Delta(choice, refusal=refusal)
        for index, call in enumerate(answer.tool_calls):
            for part in _call(call, index, call.id or _made_up_id(request, choice, index), request):
                yield 0.0, Delta(choice, tool_call=part)


def _pieces(answer: ScriptedAnswer) -> Iterator[tuple[float, str]]:
    if answer.chunks:
        return ((chunk.delay, chunk.text) for chunk in answer.chunks)
    text = dumps(answer.json) if answer.json is not None else answer.text or ""
    return ((0.0, piece) for piece in tokens(text))


def _made_up_id(request: ResolvedRequest, choice: int, index: int) -> str:
    seed = canonical([inputs_as_json(counted(request.inputs)), choice, index])
    return f"call_{sha256(seed)[7:31]}"


def _call(call: ScriptedToolCall, index: int, call_id: str, request: ResolvedRequest) -> Iterator[ToolCallDelta]:
    yield ToolCallDelta(index, id=call_id, name=call.name)
    yield from (ToolCallDelta(index, piece) for piece in tokens(_arguments(call, request)))


def odd_calls(answer: ScriptedAnswer, rule: str, request: ResolvedRequest) -> Iterator[str]:
    """Tell of calls of tools that the request does not offer, which may be meant: a client should bear them. Those with
    arguments from a schema that is not there fail by themselves."""
    offered = [str(function.get("name")) for function in _functions(request)]
    for call in answer.tool_calls:
        if call.name not in offered and call.arguments != FROM_SCHEMA:
            names = cut(", ".join(offered)) or "no tools"
            yield f"{rule} of the script calls {call.name}; expected a tool that the request offers, got {names}"


def _functions(request: ResolvedRequest) -> list[Mapping[str, Any]]:
    return [function for tool in in_tools(request.inputs).get("tools") or () if (function := tool.get("function"))]


def _arguments(call: ScriptedToolCall, request: ResolvedRequest) -> str:
    """The arguments of a call, as text. Raises ProviderError `ERR_SCRIPT_MISS` where no tool has their schema."""
    if call.input is not None:
        return dumps({"input": call.input})
    if call.arguments != FROM_SCHEMA:
        return call.arguments if isinstance(call.arguments, str) else dumps(call.arguments)
    functions = _functions(request)
    found = next((function for function in functions if function.get("name") == call.name), None)
    if found is None:
        offered = ", ".join(str(function.get("name")) for function in functions) or "no tools"
        message = f"the script calls {call.name} with arguments from_schema; expected it among the tools, got {offered}"
        raise ProviderError("ERR_SCRIPT_MISS", message, hint="offer the tool, or write the arguments in the script")
    script = request.config.script
    return Making(script.document.version if script else NEWEST, each=True).arguments(found, request.inputs)


def sent_usage(answer: ScriptedAnswer, request: ResolvedRequest) -> Usage:
    """Return the part of an answer's usage that is about the prompt: as the script says, or else as a mock counts."""
    told = answer.usage
    return replace(
        prompt_usage(request) if told.input_tokens is None else Usage(told.input_tokens),
        cached_input_tokens=told.cached_input_tokens,
        cache_write_tokens=told.cache_write_tokens,
    )


def _usage(answer: ScriptedAnswer, request: ResolvedRequest, deltas: int) -> Usage:
    told = answer.usage
    return replace(
        sent_usage(answer, request),
        output_tokens=deltas if told.output_tokens is None else told.output_tokens,
        cost_usd=0.0 if told.cost_usd is None else told.cost_usd,
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


def _no_chat(request: ResolvedRequest) -> ProviderError:
    message = f"no rule of a script answers {request.operation}, and this script is strict"
    return ProviderError("ERR_SCRIPT_MISS", message, hint="leave strict out: the mock then answers them")
