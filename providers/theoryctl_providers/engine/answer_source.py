"""Choose the source of an answer: the provider, or in mock mode a script or recordings."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from functools import partial
from typing import NamedTuple

from theoryctl_providers.blame import blamed
from theoryctl_providers.contract import Event, ProviderError, Remedy, ResolvedRequest, Usage, is_mock
from theoryctl_providers.contract.answer import Answer
from theoryctl_providers.engine.guard import guarded, guarded_at_once
from theoryctl_providers.inputs.unsupported import refuse_uncarried
from theoryctl_providers.lookup import default_models
from theoryctl_providers.protocol import LLMProvider


class Plan(NamedTuple):
    """The events of an answer that has not begun, or what gives them all at once and adds them to the answer; whether
    they will ever be waited for; who answers: `mock`, `vendor`, a rule of a script or the file of a recording; what
    is odd about the answer, for people; and what tells as much of the usage as is known before the answer."""

    events: AsyncGenerator[Event] | Callable[[Answer], Iterable[Event]]
    suspends: bool
    answered_by: str
    notes: tuple[str, ...] = ()
    usage: Callable[[ResolvedRequest], Usage | None] | None = None


def plan_for(provider: LLMProvider, request: ResolvedRequest) -> Plan:
    """Plan the answer to a resolved request. Raises ProviderError: `ERR_SCRIPT_MISS`, `ERR_UNSUPPORTED_PARAM`,
    `ERR_OVERLOADED`.

    Real calls are retried within the request's time-out; what a script says is passed on as it is, for the retries
    that a script tests are the client's.
    """
    if not is_mock(request.mode):
        from theoryctl_providers.engine.retries import attempts_within

        _check_tape(request)
        return Plan(attempts_within(provider, request), suspends=True, answered_by="vendor")
    if request.operation == "count_tokens":  # takes no answer of a script from the chat that it is about
        return _mocked(provider, request)
    return _scripted(request) or _replayed(request) or _mocked(provider, request)


def _mocked(provider: LLMProvider, request: ResolvedRequest) -> Plan:
    try:
        suspends = provider.suspends_in_mock
    except BaseException:  # a context around it would cost each request a part of the guard's share
        with blamed(provider, "suspends_in_mock"):
            raise
    if suspends:
        return Plan(guarded(provider, request), suspends=True, answered_by="mock")
    # Named fields would cost each request a hundredth of a mock's answer.
    return Plan(partial(guarded_at_once, provider, request), False, "mock", (), _prompt_usage)


def _prompt_usage(request: ResolvedRequest) -> Usage | None:
    """Count the prompt's tokens; None for a provider that does not answer by the built-in mock."""
    if request.operation != "chat" or request.config.provider not in default_models:
        return None
    from theoryctl_providers.mock.provider import prompt_usage

    return prompt_usage(request)


def _scripted(request: ResolvedRequest) -> Plan | None:
    script = request.config.script
    if script is None:
        return None
    from theoryctl_providers.mock.scripted import choose, odd_calls, play, sent_usage, waits

    refuse_uncarried(request.inputs, logprobs=script.carries_logprobs or request.config.replay is not None)
    chosen = choose(script, request)
    if chosen is None:
        return None
    answer, rule = chosen
    refuse_uncarried(request.inputs, logprobs=answer.logprobs is not None)
    notes = tuple(dict.fromkeys(odd_calls(answer, rule, request)))
    return Plan(play(answer, request), waits(answer), rule, notes, partial(sent_usage, answer))


def _replayed(request: ResolvedRequest) -> Plan | None:
    if request.config.replay is None:
        return None
    from theoryctl_providers.mock.replay import find_recording, replayed

    # The vendor was asked for log probabilities when it was recorded, and its answer says what it gave.
    refuse_uncarried(request.inputs, logprobs=True)
    recording = find_recording(request.config.replay, request)
    return Plan(replayed(recording), suspends=False, answered_by=recording.file_name)


def _check_tape(request: ResolvedRequest) -> None:
    """Refuse a paid call that could not be recorded."""
    if request.config.tape is not None and request.config.tape.is_full:
        raise ProviderError(
            "ERR_OVERLOADED",
            "the instance holds all the recordings it can, and nobody has taken them",
            hint=Remedy.RECORDINGS,
        )
