"""The rules that a provider's events keep: their types, their order, and the names of outputs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from theoryctl_providers.blame import blamed, name_of, shown
from theoryctl_providers.contract import (
    Annotation,
    Delta,
    Finish,
    Log,
    Output,
    ProviderError,
    ResolvedRequest,
    ToolCallDelta,
    Usage,
    VendorInfo,
)
from theoryctl_providers.contract.answer import Answer, Choice, ToolCall, is_unicode
from theoryctl_providers.contract.events import CUT_OFF, with_fields
from theoryctl_providers.contract.json_text import copied, is_json, json_problem
from theoryctl_providers.inputs.validate import are_vectors, texts_of
from theoryctl_providers.protocol import LLMProvider

#: Names of outputs that the engine makes itself; further choices have `.1`, `.2` and so on behind them.
RESERVED = frozenset({"answer", "reasoning", "refusal", "annotations", "tool_calls", "finish_reason"})

#: Characters of an output's name, which every file system takes as they are, and how many there may be.
_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_LETTERS = _FIRST | frozenset(".-")
_LONGEST = 100

#: The largest number of an event: JSON holds integers up to here exactly everywhere (RFC 8259, section 6), and sums of
#: many fit the 64 bits of a database.
_MOST = 2**53 - 1


#: The number after the last choice that is finished, and whether that was begun too.
Taken = tuple[int, bool]


class EventRules:
    """Checks the events of one answer, in their order. Each method raises ProviderError `ERR_PROVIDER`."""

    __slots__ = ("_calls", "_finished", "_given", "_names", "_provider", "_request")

    def __init__(self, provider: LLMProvider, request: ResolvedRequest) -> None:
        self._provider, self._request = provider, request
        #: Each choice that was begun, and whether it is finished.
        self._finished: dict[int, bool] = {}
        self._names: set[str] = set()
        #: Tool calls by the numbers of their choice and their own.
        self._calls: dict[tuple[int, int], ToolCall] = {}
        #: Events with values that can be changed, and as they were when they came.
        self._given: list[tuple[Any, Any]] = []

    def check(self, event: Any) -> Any:
        """Let one event pass, or not: return it, sharing nothing with the provider that could be changed later."""
        rule = _RULES.get(type(event))
        with blamed(self._provider):  # a mapping or a text may be of a class of its own
            expected = _EVENTS if rule is None else rule(self, event)
            own = with_fields(event, _own) if expected is None and _may_change(event) else event
        if expected is not None:
            raise broke(self._provider, f"yielded {shown(event)}", expected)
        if own is not event:
            self._given.append((event, own))
        return own

    def take_plain_text(self, events: list[Any], answer: Answer) -> bool:
        """Take the next events of an answer where all that came are plain text. False, and none is taken, where some
        are not."""
        return self.took(take_plain_text(events, answer, sum(self._finished.values())))

    def took(self, text: Taken | None) -> bool:
        """Note what was taken by `take_plain_text`: whether anything was."""
        if text is None:
            return False
        choice, is_open = text
        self._finished |= dict.fromkeys(range(choice), True)
        if is_open:
            self._finished[choice] = False
        return True

    def end(self) -> None:
        """Note that no event is left: every choice that was begun has to be finished."""
        is_chat = self._request.operation == "chat"
        if self._request.operation == "embeddings" and "embeddings" not in self._names:
            expected = 'Output("embeddings", "application/json", vectors)'
            raise broke(self._provider, "gave no embeddings", expected)
        if False in self._finished.values() or (is_chat and not self._finished):
            left = sorted(choice for choice, finished in self._finished.items() if not finished) or [0]
            found = f"ended without a Finish of choice {', '.join(map(str, left))}"
            raise broke(self._provider, found, "exactly one Finish for each choice")
        self._check_unchanged()

    def _check_unchanged(self) -> None:
        for event, own in self._given:
            with blamed(self._provider):
                is_same = with_fields(event, _own) == own
            if not is_same:
                found = f"changed {shown(own)} to {shown(event)} after it was yielded"
                raise broke(self._provider, found, "a value that nobody changes, such as a copy")

    def _open(self, choice: Any) -> str | None:
        """Begin a choice, or go on with it."""
        if not _is_count(choice):
            return f"an integer of 0 or more as choice, at most {_MOST}"
        return f"nothing of choice {choice} after its Finish" if self._finished.setdefault(choice, False) else None

    def _delta(self, event: Delta) -> str | None:
        prose = (event.text, event.reasoning, event.refusal, event.signature)
        if not all(map(_is_text_or_none, prose)):
            return "a str of Unicode or None as text, reasoning, refusal and signature"
        if sum(map(bool, prose)) + (event.tool_call is not None) > 1:
            return "one of text, reasoning, refusal, signature and tool_call"
        wrong = self._open(event.choice) or (None if event.tool_call is None else _tool_call(event.tool_call))
        if wrong is None and (call := event.tool_call) is not None:
            self._calls.setdefault((event.choice, call.index), ToolCall()).add(call)
        return wrong

    def _annotation(self, event: Annotation) -> str | None:
        return _json_object(event.value, "value") or self._open(event.choice)

    def _vendor(self, event: VendorInfo) -> str | None:
        if not all(map(_is_text_or_none, (event.model, event.system_fingerprint, event.service_tier))):
            return "a str of Unicode or None as model, system_fingerprint and service_tier"
        headers = event.headers
        are_texts = isinstance(headers, Mapping) and all(_is_text(text) for item in headers.items() for text in item)
        return None if are_texts else "a mapping of str to str of Unicode as headers"

    def _finish(self, event: Finish) -> str | None:
        if not (_is_text(event.reason) and event.reason):
            return "a str of Unicode that says why as reason"
        if (expected := self._open(event.choice)) is None:
            self._finished[event.choice] = True
        return self._whole_calls(event.choice) if expected is None and event.reason not in CUT_OFF else expected

    def _whole_calls(self, choice: int) -> str | None:
        """Say what is missing of the first tool call of a choice that nobody can make."""
        for (number, index), call in self._calls.items():
            if number != choice:
                continue
            if not call.name:
                return f"a name in the first piece of tool call {index}, before its Finish"
            if not is_json(arguments := "".join(call.arguments) or "{}"):
                wanted = f"JSON as the arguments of tool call {index}, or length as the reason"
                return f"{wanted}, not {shown(arguments)} for {call.name}"
        return None

    def _output(self, event: Output) -> str | None:
        wrong = _name(event.name) or self._free(event.name)
        is_vectors = event.name == "embeddings" and self._request.operation == "embeddings"
        return wrong or (self._vectors(event) if is_vectors else _content(event))

    def _vectors(self, event: Output) -> str | None:
        given = self._request.inputs["input"]
        if event.media_type == "application/json" and are_vectors(event.value, given):
            return None
        count = len(texts_of(given))
        return f"application/json with a list of lists of numbers: {count}, for each text one, all of one length"

    def _free(self, name: str) -> str | None:
        """Take a name. Where file systems do not tell upper from lower case, `A` and `a` are one file."""
        stem, _, rest = name.lower().partition(".")
        if stem in RESERVED and (not rest or rest.isdigit()):
            return f"another name than {name}, which the engine gives"
        if name.lower() in self._names:
            return f"a name that no output before it has, in upper or lower case, not {name} again"
        self._names.add(name.lower())
        return None

    def _usage(self, event: Usage) -> str | None:
        wanted = f"integers of 0 or more as tokens, and a price of 0 or more, or None; each at most {_MOST}"
        return None if _is_usage(event) else wanted

    def _log(self, event: Log) -> str | None:
        fits = _is_text(event.message) and isinstance(event.debug, bool)
        return None if fits else "a str of Unicode as message, and True or False as debug"


_EVENTS = "a Delta, Annotation, Output, Usage, Finish, VendorInfo or Log"

#: What checks each kind of event that a provider may yield.
_RULES: dict[type[Any], Callable[[EventRules, Any], str | None]] = {
    Delta: EventRules._delta,
    Annotation: EventRules._annotation,
    VendorInfo: EventRules._vendor,
    Finish: EventRules._finish,
    Output: EventRules._output,
    Usage: EventRules._usage,
    Log: EventRules._log,
}


def _may_change(event: Any) -> bool:
    """Tell whether an event may hold what a provider can change afterwards."""
    return type(event) in (Output, Annotation, VendorInfo) or (type(event) is Delta and event.tool_call is not None)


def _own(value: Any) -> Any:
    """A value of an event that shares nothing with it that can be changed; the same value where nothing can."""
    return with_fields(value, copied) if type(value) is ToolCallDelta else copied(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _tool_call(call: Any) -> str | None:
    if type(call) is not ToolCallDelta:
        return "a ToolCallDelta or None as tool_call"
    if not _is_count(call.index):
        return f"an integer of 0 or more as tool_call.index, at most {_MOST}"
    if not _is_text(call.arguments):
        return "a str of Unicode as tool_call.arguments"
    if not (_is_text_or_none(call.id) and _is_text_or_none(call.name)):
        return "a str of Unicode or None as tool_call.id and tool_call.name"
    return None if call.extra_content is None else _json_object(call.extra_content, "tool_call.extra_content")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and (value.isascii() or is_unicode(value))


def _is_text_or_none(value: Any) -> bool:
    return value is None or _is_text(value)


def _json_object(value: Any, field: str) -> str | None:
    problem = json_problem(dict(value)) if isinstance(value, Mapping) else "it is none"
    return None if problem is None else f"a JSON object as {field} ({problem})"


def _name(name: Any) -> str | None:
    fits = isinstance(name, str) and 0 < len(name) <= _LONGEST and name[0] in _FIRST and _LETTERS.issuperset(name)
    if fits:
        return None
    return f"a name of 1 to {_LONGEST} letters (A to Z), digits, '_', '.' and '-' that begins with none of the last two"


def _content(event: Output) -> str | None:
    if not (_is_text(event.media_type) and event.media_type):
        return 'a media type such as "text/plain"'
    if event.media_type != "application/json":
        may_be_bytes = not event.media_type.startswith("text/")
        if _is_text(event.value) or (may_be_bytes and isinstance(event.value, bytes)):
            return None
        return f"a str of Unicode{', or bytes,' if may_be_bytes else ''} as value of {event.media_type}"
    problem = json_problem(event.value)
    return None if problem is None else f"a JSON value ({problem})"


def _is_usage(event: Usage) -> bool:
    # Most say these two and a price, and nothing of the rest: calls for each would cost a hundredth of a mock's answer.
    given, made, cost = event.input_tokens, event.output_tokens, event.cost_usd
    are_counts = type(given) is type(made) is int and 0 <= given <= _MOST >= made >= 0
    if not are_counts and not (_is_count_or_none(given) and _is_count_or_none(made)):
        return False
    if not event.cached_input_tokens is event.cache_write_tokens is event.reasoning_tokens is None:
        details = (event.cached_input_tokens, event.cache_write_tokens, event.reasoning_tokens)
        if not all(map(_is_count_or_none, details)):
            return False
    return cost is None or (type(cost) is float and 0.0 <= cost <= _MOST) or _is_count(cost)


def check_iterator(provider: LLMProvider, events: Any) -> None:
    """Look at what `stream` returned. Raises ProviderError `ERR_PROVIDER` for what is no async iterator."""
    if not hasattr(events, "__aiter__"):
        if isinstance(events, Coroutine):
            events.close()  # nobody will await it
        raise broke(provider, f"returned {shown(events)} from stream", "an async iterator of events")


def take_plain_text(events: list[Any], answer: Answer, choice: int = 0) -> Taken | None:
    """Take events as most are, and which keep all rules: one choice after the other with pieces of text and its Finish,
    and usage. One look at an event is enough to check it and to add it to the answer.

    `choice` is the first that is not finished. The number after the last one that is then, and whether that was begun
    too. None, and nothing is added, for events that are more than plain text.
    """
    taken: dict[int, Choice] = {}
    pieces: list[str] = []
    is_open, usage = False, answer.usage
    for event in events:
        kind = type(event)
        if kind is Delta:
            text = event.text
            # By `is`: True and 0.0 are equal to numbers.
            is_text = event.choice is choice and type(text) is str and (text.isascii() or is_unicode(text))
            if not (is_text and event.tool_call is event.reasoning is event.refusal is event.signature is None):
                return None
            is_open = True
            if text:
                pieces.append(text)
        elif kind is Finish:
            reason = event.reason
            if event.choice is not choice or type(reason) is not str or not (reason and reason.isascii()):
                return None
            taken[choice] = Choice(pieces, reason)
            choice, pieces, is_open = choice + 1, [], False
        elif kind is Usage and _is_usage(event):
            usage = event
        else:
            return None
    if is_open:
        taken[choice] = Choice(pieces)
    answer.usage = usage
    if answer.choices:
        answer.add_text(taken)
    else:
        answer.choices = taken
    return choice, is_open


def broke(provider: LLMProvider, found: str, expected: str) -> ProviderError:
    """Make the error `ERR_PROVIDER` of a class that does not keep to the rules."""
    message = f"{name_of(provider)} {found}; expected {expected}"
    return ProviderError("ERR_PROVIDER", message, hint="change the class as docs/providers.md describes")
