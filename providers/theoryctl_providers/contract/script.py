"""A script of mock answers at work: how many answers each of its rules has given."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

from theoryctl_providers.contract.from_json import shaped
from theoryctl_providers.contract.json_text import json_path, sha256
from theoryctl_providers.contract.script_document import Rule, ScriptDocument
from theoryctl_providers.contract.scripted_answer import FROM_SCHEMA, ScriptedAnswer, ScriptedToolCall, passes_on


class Script:
    """A script at work: its document, and how many answers each rule has given.

    Whoever holds the object holds the position: a started instance keeps one, a single run starts a new one.
    `warnings` say what is odd about it, for people: rules that never fire, and patterns that ignore nothing.
    """

    def __init__(self, document: ScriptDocument, warnings: Sequence[str] = ()) -> None:
        self.document, self.warnings = document, tuple(warnings)
        self._taken = [0] * len(document.rules)
        self._answered = [0] * len(document.rules)

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Script:
        """The script of a JSON document that is valid by docs/script.schema.json.

        Raises ValueError for another, with the place of what is wrong.
        """
        document = shaped(ScriptDocument, value)
        for path, what in document.mistakes():
            raise ValueError(f"{json_path(path)}: {what}")
        return cls(document)

    @classmethod
    def joined(cls, scripts: Sequence[Script]) -> Script:
        """One script of several: the rules of the first before those of the second, and all that they ignore.

        Of several that say `tools`, `mock_version`, `strict` or `seed`, the first counts, also if it says the default.
        """
        documents = [script.document for script in scripts]
        said = {
            name: value
            for document in reversed(documents)
            for name, value in stated_in(document).items()
            if name not in ("rules", "ignore")
        }
        rules = tuple(rule for document in documents for rule in document.rules)
        ignore = tuple(dict.fromkeys(pattern for document in documents for pattern in document.ignore))
        return cls(ScriptDocument(rules=rules, ignore=ignore, **said))

    def ignoring(self, patterns: Sequence[str]) -> Script:
        """This script with more to ignore. The two have one position: what one has answered, the other has."""
        document = self.document
        ignore = tuple(dict.fromkeys((*document.ignore, *patterns)))
        script = Script(replace(document, ignore=ignore), self.warnings)
        script._taken, script._answered = self._taken, self._answered
        return script

    def dump(self) -> dict[str, Any]:
        """The document as JSON, from which `load` makes a script that is at its beginning.

        It has no key with the value that the key has by itself: images that were built earlier know fewer keys.
        """
        document: dict[str, Any] = written(self.document)
        return document

    @property
    def carries_logprobs(self) -> bool:
        """Say whether any of its answers has log probabilities."""
        return any(answer.logprobs is not None for rule in self.document.rules for answer in rule.answers)

    @property
    def unused(self) -> list[str]:
        """The names of the rules that have answered nothing so far."""
        return [self.name_of(index) for index, answered in enumerate(self._answered) if not answered]

    def name_of(self, index: int) -> str:
        """Name a rule for people: its number, from 1, and its name if it has one."""
        name = self.document.rules[index].name
        return f"rule {index + 1} ({name})" if name else f"rule {index + 1}"

    def note(self, index: int) -> None:
        """Take note that a rule has answered."""
        self._answered[index] += 1

    def take(self, index: int, made: Collection[tuple[str, str]] = ()) -> ScriptedAnswer | None:
        """The next answer of a rule; None where it has none left, or the one that it has is a fault that does not
        strike. `made` are the calls since the user spoke: tool and arguments."""
        taken = self._taken[index]
        answer = _answer_at(self.document.rules[index], taken, made)
        if answer is None:
            return None
        self._taken[index] = taken + 1
        return answer if self._strikes(answer, index, taken) else _without_fault(answer)

    def _strikes(self, answer: ScriptedAnswer, index: int, taken: int) -> bool:
        """Draw whether the fault of an answer strikes: by the seed, the rule and the number of its answer alone."""
        if answer.fault is None or answer.fault.probability == 1:
            return True
        drawn = int(sha256(f"{self.document.seed or 0}:{index}:{taken}".encode())[7:23], 16)
        return drawn < answer.fault.probability * 16**16


def _answer_at(rule: Rule, taken: int, made: Collection[tuple[str, str]]) -> ScriptedAnswer | None:
    """The answer of a rule after as many others; None where the rules after it are to answer.

    The only answer of a rule does not depend on how many it gave.
    """
    if taken < len(rule.answers) > 1:
        return rule.answers[taken]
    last = rule.answers[-1]
    match rule.exhausted:
        case "skip" if taken:
            return None
        case "restart":
            return rule.answers[taken % len(rule.answers)]
        case None if may_pass_on(rule) and all(_was_made(call, made) for call in last.tool_calls):
            return None
    return last


def may_pass_on(rule: Rule) -> bool:
    """Tell whether a rule leaves calls that it would repeat to the rules after it. One with a turn cannot repeat."""
    return rule.exhausted is None and rule.when.turn is None and bool(rule.answers[-1].tool_calls)


def _was_made(call: ScriptedToolCall, made: Collection[tuple[str, str]]) -> bool:
    wanted = call.arguments if call.input is None else {"input": call.input}
    return any(
        name == call.name and (wanted == FROM_SCHEMA or _read(wanted) == _read(arguments)) for name, arguments in made
    )


def _read(arguments: Any) -> Any:
    """Arguments as JSON, or as the text that they are where they are none."""
    try:
        return json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return arguments


def _without_fault(answer: ScriptedAnswer) -> ScriptedAnswer | None:
    return None if passes_on(answer) else replace(answer, fault=None)


def stated_in(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that have another value than they have by themselves."""
    plain = {
        item.name: item.default if item.default_factory is MISSING else item.default_factory() for item in fields(value)
    }
    return {name: found for name, default in plain.items() if (found := getattr(value, name)) != default}


def written(value: Any) -> Any:
    """A dataclass as the JSON that somebody would write for it."""
    if is_dataclass(value):
        return {name: written(item) for name, item in stated_in(value).items()}
    return [written(item) for item in value] if isinstance(value, tuple) else value
