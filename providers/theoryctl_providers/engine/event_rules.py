"""The rules that a provider's events keep: their types, their order, and the names of outputs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from math import inf, isfinite
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
from theoryctl_providers.contract.answer import Answer, Choice, is_unicode
from theoryctl_providers.contract.json_text import json_problem
from theoryctl_providers.protocol import LLMProvider

#: Names of outputs that the engine makes itself; further choices have `.1`, `.2` and so on behind them.
RESERVED = frozenset({"answer", "reasoning", "refusal", "annotations", "tool_calls", "finish_reason"})

#: Characters of an output's name, which every file system takes as they are, and how many there may be.
_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_LETTERS = _FIRST | frozenset(".-")
_LONGEST = 100


#: The number after the last choice that is finished, and whether that was begun too.
Taken = tuple[int, bool]


class EventRules:
    """Checks the events of one answer, in their order. Each method raises ProviderError `ERR_PROVIDER`."""

    __slots__ = ("_finished", "_names", "_provider", "_request")

    def __init__(self, provider: LLMProvider, request: ResolvedRequest) -> None:
        self._provider, self._request = provider, request
        #: Each choice that was begun, and whether it is finished.
        self._finished: dict[int, bool] = {}
        self._names: set[str] = set()

    def check(self, event: Any) -> None:
        """Let one event pass, or not."""
        rule = _RULES.get(type(event))
        with blamed(self._provider):  # a mapping or a text may be of a class of its own
            expected = _EVENTS if rule is None else rule(self, event)
        if expected is not None:
            raise broke(self._provider, f"yielded {shown(event)}", expected)

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

    def _open(self, choice: Any) -> str | None:
        """Begin a choice, or go on with it."""
        if not _is_count(choice):
            return "an integer of 0 or more as choice"
        return f"nothing of choice {choice} after its Finish" if self._finished.setdefault(choice, False) else None

    def _delta(self, event: Delta) -> str | None:
        prose = (event.text, event.reasoning, event.refusal, event.signature)
        if not all(map(_is_text_or_none, prose)):
            return "a str of Unicode or None as text, reasoning, refusal and signature"
        if sum(map(bool, prose)) + (event.tool_call is not None) > 1:
            return "one of text, reasoning, refusal, signature and tool_call"
        return self._open(event.choice) or (None if event.tool_call is None else _tool_call(event.tool_call))

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
        return expected

    def _output(self, event: Output) -> str | None:
        wrong = _name(event.name) or self._free(event.name)
        is_vectors = event.name == "embeddings" and self._request.operation == "embeddings"
        return wrong or (_vectors(event) if is_vectors else _content(event))

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
        return None if _is_usage(event) else "integers of 0 or more as tokens, and a price of 0 or more, or None"

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


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_count_or_none(value: Any) -> bool:
    return value is None or (type(value) is int and value >= 0)


def _tool_call(call: Any) -> str | None:
    if type(call) is not ToolCallDelta:
        return "a ToolCallDelta or None as tool_call"
    if not _is_count(call.index):
        return "an integer of 0 or more as tool_call.index"
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


def _vectors(event: Output) -> str | None:
    vectors = event.value
    are_lists = isinstance(vectors, list) and all(isinstance(vector, list) and vector for vector in vectors)
    if event.media_type == "application/json" and are_lists and all(map(_are_numbers, vectors)):
        return None
    return "application/json with a list of lists of numbers"


def _are_numbers(vector: list[Any]) -> bool:
    """Return whether all are numbers of JSON. Their sum tells it in a tenth of the time that a look at each takes."""
    try:
        total = sum(vector)
    except TypeError:
        return False
    return isinstance(total, (int, float)) and isfinite(total)


def _is_usage(event: Usage) -> bool:
    # Most say these two and a price, and nothing of the rest: calls for each would cost a hundredth of a mock's answer.
    given, made, cost = event.input_tokens, event.output_tokens, event.cost_usd
    are_counts = type(given) is type(made) is int and given >= 0 <= made
    if not are_counts and not (_is_count_or_none(given) and _is_count_or_none(made)):
        return False
    if not event.cached_input_tokens is event.cache_write_tokens is event.reasoning_tokens is None:
        details = (event.cached_input_tokens, event.cache_write_tokens, event.reasoning_tokens)
        if not all(map(_is_count_or_none, details)):
            return False
    return cost is None or (type(cost) is float and 0.0 <= cost < inf) or _is_count(cost)


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
