"""Parts of a script that cannot be what was meant: rules that never fire, patterns that no word matches, and words that
nearly say something else."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

from theoryctl_providers.authored.patterns import compiled, may_match_word
from theoryctl_providers.contract.script import Script, may_pass_on
from theoryctl_providers.contract.script_document import Rule, ScriptDocument, UserSays, When, fits_model
from theoryctl_providers.contract.scripted_answer import passes_on

if TYPE_CHECKING:
    from theoryctl_providers.authored.yaml_document import Path

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something odd in a script, at a path. `never`: a rule or a pattern is without effect. `near`: a word nearly says
    another."""

    kind: Literal["never", "near"]
    path: Path
    what: str


def findings(script: ScriptDocument, vendors: Collection[str] = ()) -> Iterator[Finding]:
    """Find what is odd in a script that is valid. `vendors` are names that stand before the slash of a model."""
    yield from without_effect(script)
    yield from _near_misses(script, vendors)


def without_effect(script: ScriptDocument) -> Iterator[Finding]:
    """Find the rules that cannot fire, and the patterns to ignore that no word matches."""
    yield from filter(None, (never_fires(script, index) for index in range(len(script.rules))))
    for index, pattern in enumerate(script.ignore):
        if pattern not in _KINDS and not may_match_word(pattern):
            what = f"{pattern!r:.200} ignores nothing: no word has a space, quote, bracket, comma or semicolon"
            yield Finding("never", ("ignore", index), what)


def never_fires(script: ScriptDocument, index: int) -> Finding | None:
    """Say why a rule cannot fire: its conditions exclude each other, or a rule above fits all that it fits."""
    name, rule, plain = Script(script).name_of, script.rules[index], not script.ignore
    at: Path = ("rules", index)
    if wrong := _contradiction(rule.when.user, plain):
        return Finding("never", (*at, "when", "user"), f"{name(index)} never fires: {wrong}")
    above = next((place for place in range(index) if _shadows(script.rules[place], rule, plain)), None)
    if above is None:
        return None
    return Finding("never", at, f"{name(index)} never fires: {name(above)} above it answers all that it fits")


def _contradiction(user: UserSays | None, plain: bool) -> str | None:
    """Say why no text meets all conditions; None where one may. Unless `plain`, parts of texts are ignored."""
    if user is None or user.equals is None:
        return None
    if user.contains is not None and plain and user.contains not in user.equals:
        return "equals does not contain what contains wants"
    if user.regex is not None and plain and not compiled(user.regex).is_valid(user.equals):
        return "equals does not match regex"
    return None


def _shadows(above: Rule, below: Rule, plain: bool) -> bool:
    """Return whether the rule above answers every request that meets the conditions of the one below."""
    goes_on = above.exhausted == "skip" or may_pass_on(above)
    answers_all = not goes_on and not any(map(passes_on, above.answers))
    return answers_all and _covers(above.when, below.when, plain)


def _covers(wide: When, narrow: When, plain: bool) -> bool:
    return (
        _covers_model(wide.model, narrow.model)
        and wide.turn in (None, narrow.turn)
        and set(wide.tools) <= set(narrow.tools)
        and set(wide.attachments) <= set(narrow.attachments)
        and (wide.user is None or _covers_user(wide.user, narrow.user or UserSays(), plain))
    )


def _covers_model(wide: str | None, narrow: str | None) -> bool:
    if wide in (None, "*", narrow):
        return True
    return wide is not None and narrow is not None and _WILD.isdisjoint(narrow) and fits_model(narrow, wide)


def _covers_user(wide: UserSays, narrow: UserSays, plain: bool) -> bool:
    said = narrow.equals if plain else None
    return (
        wide.equals in (None, narrow.equals)
        and (wide.contains is None or _holds_part(wide.contains, narrow, said, plain))
        and (wide.regex in (None, narrow.regex) or (said is not None and compiled(str(wide.regex)).is_valid(said)))
    )


def _holds_part(part: str, narrow: UserSays, said: str | None, plain: bool) -> bool:
    if narrow.contains is not None and (part == narrow.contains or (plain and part in narrow.contains)):
        return True
    return said is not None and part in said


def _near_misses(script: ScriptDocument, vendors: Collection[str]) -> Iterator[Finding]:
    called = {call.name for rule in script.rules for answer in rule.answers for call in answer.tool_calls}
    for index, rule in enumerate(script.rules):
        at: Path = ("rules", index, "when")
        if (model := rule.when.model) in vendors:
            what = f"this names a model, and {model!r} is a vendor; did you mean '{model}/*'?"
            yield Finding("near", (*at, "model"), what)
        for number, name in enumerate(rule.when.tools):
            if name not in called and (close := get_close_matches(name, called, n=1, cutoff=0.8)):
                yield Finding("near", (*at, "tools", number), f"a rule calls the tool {close[0]!r}; did you mean that?")
    for index, pattern in enumerate(script.ignore):
        if pattern not in _KINDS and (close := get_close_matches(pattern, _KINDS, n=1, cutoff=0.7)):
            yield Finding("near", ("ignore", index), f"this ignores the word {pattern!r}; did you mean {close[0]!r}?")


#: The kinds of parts that `ignore` knows by name (`theoryctl_providers.mock.ignoring`).
_KINDS = ("dates", "ids", "numbers")
