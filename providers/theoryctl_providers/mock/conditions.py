"""Conditions of a script's rules, and the facts of a request that they are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from theoryctl_providers.contract import ProviderError, ResolvedRequest, Script, dumps
from theoryctl_providers.contract.script_document import Rule, UserSays, fits_model
from theoryctl_providers.inputs.functions import in_tools
from theoryctl_providers.mock.ignoring import Ignoring
from theoryctl_providers.mock.patterns import compile_pattern
from theoryctl_providers.mock.provider import text_of


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a request that conditions ask about. `plain` is what the user says, marked by `ignoring`."""

    model: str
    user: str
    plain: str
    turn: int
    tools: tuple[str, ...]
    attachments: tuple[str, ...]
    ignoring: Ignoring


def facts_of(request: ResolvedRequest, ignoring: Ignoring) -> Facts:
    """Gather the facts of a request."""
    messages = request.inputs.get("messages") or []
    said = [text_of(message) for message in messages if message.get("role") == "user"]
    functions = (tool.get("function") for tool in in_tools(request.inputs).get("tools") or ())
    user = said[-1] if said else ""
    return Facts(
        model=request.model,
        user=user,
        plain=ignoring.text(user),
        turn=1 + sum(message.get("role") == "assistant" for message in messages),
        tools=tuple(function["name"] for function in functions if function),
        attachments=tuple(attachment.name for attachment in request.attachments),
        ignoring=ignoring,
    )


def conditions(rule: Rule, facts: Facts) -> Iterator[tuple[str, bool]]:
    """Each condition of the rule as it is written, and whether it holds."""
    when = rule.when
    if when.model is not None:
        yield f"model: {when.model}", fits_model(facts.model, when.model)
    if when.user is not None:
        yield from _said(when.user, facts)
    if when.turn is not None:
        yield f"turn: {when.turn}", facts.turn == when.turn
    for tool in when.tools:
        yield f"tools: {tool}", tool in facts.tools
    for pattern in when.attachments:
        yield f"attachments: {pattern}", any(fnmatchcase(name, pattern) for name in facts.attachments)


def _said(user: UserSays, facts: Facts) -> Iterator[tuple[str, bool]]:
    text, mark = facts.user, facts.ignoring.text
    if user.equals is not None:
        yield f"user.equals: {dumps(user.equals)}", mark(user.equals) == facts.plain
    if user.contains is not None:
        # A part of a date, such as its year, is no date: only the text as it stands has it.
        holds = user.contains in text or mark(user.contains) in facts.plain
        yield f"user.contains: {dumps(user.contains)}", holds
    if user.regex is not None:
        yield f"user.regex: {dumps(user.regex)}", compile_pattern(user.regex).is_valid(text)


def miss(script: Script, facts: Facts) -> ProviderError:
    """The error that names the rule of which most conditions hold, and those that do not.

    A rule that can never fire is named only where there is no other.
    """
    from theoryctl_providers.authored.script_rules import never_fires

    document = script.document
    found = [list(conditions(rule, facts)) for rule in document.rules]
    scores = [sum(holds or -1 for _, holds in conditions) for conditions in found]
    # The nearest first, and checked one by one: to check them all takes time quadratic in their number.
    nearest = sorted(range(len(found)), key=lambda index: -scores[index])
    index = next((index for index in nearest if never_fires(document, index) is None), nearest[0])
    failed = ", ".join(text for text, holds in found[index] if not holds) or "an answer that is left"
    message = f"no rule of the script fits; the nearest is {script.name_of(index)}, which wants {failed}"
    return ProviderError("ERR_SCRIPT_MISS", f"{message}; {_found(facts)}", hint="add a rule, or leave strict out")


def _found(facts: Facts) -> str:
    user = facts.user if len(facts.user) <= 80 else f"{facts.user[:80]}…"
    parts = [f"found model {facts.model}, turn {facts.turn}, user {dumps(user)}"]
    parts += [f"tools {', '.join(facts.tools)}"] if facts.tools else []
    parts += [f"attachments {', '.join(facts.attachments)}"] if facts.attachments else []
    return ", ".join(parts)
