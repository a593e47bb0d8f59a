"""A script of mock answers as it is written: rules tried in order, each with its conditions and its answers.

These are plain frozen dataclasses, as a manifest's are. `authored/script_check.py` validates documents against them and
makes the published JSON Schema from them; attribute docstrings are the descriptions in that schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

from theoryctl_providers.contract.constraints import STRICT, Must
from theoryctl_providers.contract.scripted_answer import ScriptedAnswer, Words, mistakes_of

#: Characters that part the words of `ignore`, inside a class of a regular expression.
BETWEEN_WORDS = r"\s\"'(),;<>\[\]{}"

#: The version of the mock's own answers.
NEWEST = 2


def fits_model(model: str, pattern: str) -> bool:
    """Return whether a model is one that a rule's pattern is about.

    A pattern without a slash names the model alone, as people do who have one vendor: `gpt-4o` is `openai/gpt-4o`, and
    `o*` is not every model of `openai`.
    """
    return fnmatchcase(model if "/" in pattern else model.rpartition("/")[2], pattern)


def is_free(path: tuple[str | int, ...]) -> bool:
    """Return whether any JSON may stand at a path of a script: what YAML makes of plain words there would go unseen."""
    return path[4:5] in (("json",), ("logprobs",)) or (path[4:5] == ("tool_calls",) and path[6:7] == ("arguments",))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSays:
    """Conditions on the last message of the user; all that are given must hold."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    equals: str | None = None
    """The whole text."""
    contains: Words | None = None
    """A part of it, upper and lower case as written."""
    regex: Words | None = None
    """A regular expression found somewhere in it: `(?i)` ignores case, `^…$` wants the whole. It is matched in linear
    time, so there are no look-arounds and no back references."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The conditions of a rule. All that are given must hold; a rule without conditions fits every request."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    model: Words | None = None
    """The model, as a shell pattern: `openai/*`. Without a slash it matches the last part alone: `gpt-*`."""
    user: UserSays | None = None
    """The last message of the user; its text parts are joined by a space."""
    turn: Annotated[int, Must({"ge": 1})] | None = None
    """Number of the answer in the conversation: 1 where no assistant message stands in it yet."""
    tools: tuple[Words, ...] = ()
    """Names of functions that must be offered."""
    attachments: tuple[Words, ...] = ()
    """Shell patterns, each of which must match the name of an attachment: `*.png`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Answers for the requests that meet the conditions."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    when: When = field(default_factory=When)
    """The conditions."""
    answers: Annotated[tuple[ScriptedAnswer, ...], Must({"min_length": 1})]
    """One for each successive request that the rule answers."""
    exhausted: Literal["repeat", "restart", "skip"] | None = None
    """Behaviour after the last answer: the last again, the first again, or the rules after this one. By default the
    last again; but if all its calls were made since the user spoke, with the same arguments, the rules after this one,
    so that an agent comes to an end. A rule with a `turn` makes them again."""
    tools: Literal["each"] | None = None
    """`each`: first the mock calls each tool that is offered, once in a turn of the user; then the rule answers. A rule
    with a `turn` fits one of these answers only."""
    name: Words | None = None
    """Name of the rule in error messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptDocument:
    """Says what mock mode answers."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT

    rules: tuple[Rule, ...] = ()
    """Tried in order; the first one that fits answers. There may be none where `tools`, `mock_version` or `ignore` is
    there."""
    tools: Literal["each", "none"] | None = None
    """`each`: where no rule fits, the mock calls each tool that is offered, once in a turn of the user, and then
    answers; a tool that hands in the answer (`submit`, `final_answer`) comes last. Otherwise it calls
    only what it must."""
    mock_version: Annotated[int, Must({"ge": 1, "le": 2})] | None = None
    """`1`: where no rule fits, answers with a schema are as they were in theoryctl 0.1: without optional properties.
    `2`, the default: with them."""
    strict: bool | None = None
    """True where a request that no rule fits is an error (`ERR_SCRIPT_MISS`), and so is a rule that answered nothing
    when the instance or the batch ends; otherwise, the default, the mock answers it, and the rule is only told."""
    seed: int | None = None
    """Chooses the answers whose faults strike, where these have a `probability`; 0 by default."""
    ignore: tuple[Words, ...] = ()
    """Parts of texts that make no difference to `equals` and `contains`, and to the look-up of a recording: `dates`
    (with times), `ids` (UUIDs, long hexadecimal numbers, and such as `call_Ab12Cd34`), `numbers`, or a regular
    expression of whole words, without look-arounds and back references."""

    @property
    def version(self) -> int:
        """The version of the mock's own answers, the newest where nothing is said."""
        return self.mock_version or NEWEST

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Find mistakes in answers whose fields are each right by themselves: path, and the value expected."""
        if not (self.rules or self.tools or self.ignore or self.mock_version):
            yield ("rules",), "expected at least one rule, or tools, ignore, or mock_version, got none"
        for index, rule in enumerate(self.rules):
            for number, answer in enumerate(rule.answers):
                for path, what in mistakes_of(answer):
                    yield ("rules", index, "answers", number, *path), what
