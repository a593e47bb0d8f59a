"""Runs as they are kept: paid within the budget of the day, and written into the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from theoryctl.errors import MaxCost, MissingPackage, TheoryctlError
from theoryctl.hints import again, command
from theoryctl.manifests.model import Manifest
from theoryctl.settings import Settings
from theoryctl_providers.contract import ERRORS, Envelope, Event, Log, Request, is_mock

if TYPE_CHECKING:
    from theoryctl.ledger.budget import Held
    from theoryctl.ledger.row import Source

#: Makes a call, and tells of its events.
Call = Callable[[Request, Callable[[Event], None]], Envelope]


def kept(
    call: Call,
    request: Request,
    manifest: Manifest,
    on_event: Callable[[Event], None],
    settings: Settings,
    *,
    source: Source = "run",
    answers: Mapping[str, Any] | None = None,
) -> Envelope:
    """Make a call within the budget, and write it into the ledger as the settings say.

    `source` and `answers` are those of `Recorder`. A ledger that cannot be written fails no run: a line says it. Raises
    MaxCost before a call that could pass the budget, and UsageError for settings that say nothing sensible.
    """
    if is_mock(request.effective_mode) and settings.value("ledger") is None:
        return call(request, on_event)
    from theoryctl.ledger.recorder import Recorder, policy_of

    policy = policy_of(settings)
    held = _reserved(request, manifest, settings)
    recorder = Recorder(policy, request, source, answers)

    def seen(event: Event) -> None:
        recorder.see(event)
        on_event(event)

    envelope = call(request, seen)
    if held is not None:
        held.settle(_paid(envelope, begun=recorder.begun))
    if note := recorder.write(envelope):
        on_event(Log(note))
    return envelope


def _reserved(request: Request, manifest: Manifest, settings: Settings) -> Held | None:
    """Hold what a real call can cost, where there is a budget. Raises MaxCost, also where nobody knows the price, and
    MissingPackage."""
    if is_mock(request.effective_mode) or settings.value("max_cost_per_day") is None:
        return None
    from theoryctl.batch.cost import bounds_of
    from theoryctl.ledger.budget import budget_of

    budget = budget_of(settings)
    if budget is None:
        return None
    bounds = bounds_of(request, manifest.models.default)
    if bounds.usd is None:
        model = str(request.inputs.get("model") or manifest.models.default)
        raise _searching(model, request) if bounds.searches else _unpriced(model)
    return budget.reserve(bounds.usd, request.run_id)


def _searching(model: str, request: Request) -> MaxCost:
    """The error for a call that may be billed for more than its tokens, with the inputs that ask for that."""
    from theoryctl.batch.cost import asks_for_searches

    named = " and ".join(asks_for_searches(request))
    message = f"{model} may search the web at a price that is not known, so the budget of a day cannot be kept"
    if not named:
        return MaxCost(message, hint="choose a model that does not search")
    return MaxCost(f"{named}: {message}", hint=f"leave {named} out")


def _unpriced(model: str) -> TheoryctlError:
    """The error for a model whose price nobody knows."""
    from theoryctl.batch.prices import NO_TABLE, near_model, table_file

    if table_file() is None:
        return MissingPackage("litellm", f"{NO_TABLE}, so the budget of a day cannot be kept")
    message = f"the price of {model} is not known, so the budget of a day cannot be kept"
    if near := near_model(model):
        return MaxCost(f"{message}; did you mean {near}?", hint=again(f"use {near}", model=near))
    return _endless(model) or MaxCost(message, hint=command("models", model.rpartition("/")[2]))


def _endless(model: str) -> MaxCost | None:
    """The error for a model whose tokens have a price, and whose longest answer nobody knows; None for any other."""
    from theoryctl.batch.prices import price_of

    price = price_of(model, 0)
    if price.output is None or price.most_output is not None:
        return None
    message = f"the longest answer of {model} is not known, so the budget of a day cannot be kept"
    return MaxCost(message, hint="set max_tokens")


def _paid(envelope: Envelope, *, begun: bool) -> float | None:
    """The US dollars that a call cost; None where nobody knows, and it may have cost something.

    A failure in the middle of an answer was billed, most likely. One of the vendor's own may have been: a batch, in
    which there are many, takes those for free, and a run does not.
    """
    from theoryctl.requests.billing import paid

    error = envelope["error"]
    if error is None or is_mock(envelope["mode"] or "real"):
        return paid(envelope)
    may_be_billed = begun or ERRORS[error["code"]].http_status >= 500
    return envelope["usage"]["cost_usd"] if may_be_billed else paid(envelope)
