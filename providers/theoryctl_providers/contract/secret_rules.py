"""The environment variables that models need in real mode, and which of them are enough."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar

from theoryctl_providers.contract.constraints import STRICT, Line, Must, Text

#: What the token of a started instance begins with, so that it is never taken for a vendor's key.
TOKEN_PREFIX = "theoryctl-"

#: Ends of names that say where or which: such values stand in ordinary text, and nobody has to hide them.
_PUBLIC = re.compile(
    r"_(API_BASE|BASE_URL|ENDPOINT|API_VERSION|REGION|REGION_NAME|LOCATION|PROJECT|PROFILE|ORGANIZATION|ORG_ID|PROJECT_ID)$"
)

#: The scheme of an address (RFC 3986, 3.1), in quotes as people copy it.
_ADDRESS = re.compile(r"[\s'\"]*[A-Za-z][A-Za-z0-9+.-]*://")

VariableName = Annotated[str, Must({"pattern": "^[A-Z_][A-Z0-9_]*$"})]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRule:
    """An environment variable the provider needs in real mode, or others in its place."""

    # A part of a manifest, and so of its published schema, where it is called Secret.
    __pydantic_config__: ClassVar[dict[str, Any]] = {**STRICT, "title": "Secret"}

    name: VariableName
    """The name of the variable; a manifest never contains its value."""
    required: bool = True
    """True if the models that match cannot be called without it."""
    alternatives: tuple[Annotated[tuple[VariableName, ...], Must({"min_length": 1})], ...] = ()
    """Sets of variables that can take its place, each as a whole: `[[AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY],
    [AWS_PROFILE]]`."""
    models: tuple[Text, ...] = ("*",)
    """The models that need it, as shell patterns: `openai/*`."""
    description: Line = ""
    """The meaning of the variable, and a place to get its value."""

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The sets of variables of which any is enough, the rule's own name first."""
        return ((self.name,), *self.alternatives)

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that the rule names."""
        return tuple(dict.fromkeys(name for names in self.sets for name in names))

    def is_met_by(self, given: Container[str]) -> bool:
        """Return True where these variables are enough; for a rule that is not required they always are."""
        return not self.required or bool(self.met_by(given))

    def met_by(self, given: Container[str]) -> tuple[str, ...]:
        """Return the first set of variables that are all given; no variables where there is none."""
        return next((names for names in self.sets if all(name in given for name in names)), ())

    @property
    def wanted(self) -> str:
        """The variables in words: the only one, `one of A, B`, or `A, or B and C`."""
        texts = [" and ".join(names) for names in self.sets]
        if all(len(names) == 1 for names in self.sets) and len(texts) > 1:
            return f"one of {', '.join(texts)}"
        return ", or ".join(texts)

    def applies_to(self, model: str) -> bool:
        """Return whether the rule is about this model."""
        return any(_fits(model, pattern) for pattern in self.models)


def _fits(model: str, pattern: str) -> bool:
    """Match as a shell does; most patterns are a start and a star, and each other one costs a regular expression."""
    start = pattern.removesuffix("*")
    if start != pattern and not set("*?[").intersection(start):
        return model.startswith(start)
    return fnmatchcase(model, pattern)


def settled(rules: Iterable[SecretRule], given: Container[str] | None) -> Iterator[SecretRule]:
    """The rules, each about one variable, for a place where it is known which variables are set; None: it is not.

    Of those that do in each other's place, the first set that is whole counts, else the rule's own name. Images built
    before there were alternatives understand these rules too.
    """
    for rule in rules:
        whole = () if given is None else rule.met_by(given)
        chosen = whole or ((rule.name,) if given is not None or not rule.alternatives else ())
        for name in rule.names:
            yield replace(rule, name=name, alternatives=(), required=rule.required and name in chosen)


def is_secret(name: str, value: str) -> bool:
    """Return True for the value of a variable that must not be seen: no address, region, version or the like.

    An address with a user in it is one that must not.
    """
    return "@" in value or not (is_address(value) or _PUBLIC.search(name))


def is_address(value: str) -> bool:
    """Return True for a value that begins with a scheme: other values may name an address, such as keys in JSON."""
    return _ADDRESS.match(value) is not None


def without_instances(rules: Iterable[SecretRule], values: Mapping[str, str]) -> dict[str, str]:
    """Return the values without tokens of started instances, and without the addresses that belong to them.

    They stand in the environment after `eval "$(theoryctl local env)"`, which leads clients to an instance; a real call
    of a vendor must not go there.
    """
    rules = tuple(rules)
    led = {model for rule in rules if _holds_token(rule, values) for model in rule.models}
    gone = {name for rule in rules if led.intersection(rule.models) for name in rule.names}
    gone |= {name for name, value in values.items() if leads_to_instance(value)}
    return {name: value for name, value in values.items() if name not in gone}


def holding_tokens(values: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the values that are tokens of started instances, and so are no keys."""
    return tuple(name for name, value in values.items() if value.strip().startswith(TOKEN_PREFIX))


def leads_to_instance(value: str) -> bool:
    """Return True for an address of the instance that `local env` has led this process's environment to."""
    url = os.environ.get("THEORYCTL_URL", "").rstrip("/")
    return bool(url) and f"{value.strip().rstrip('/')}/".startswith(f"{url}/")


def _holds_token(rule: SecretRule, values: Mapping[str, str]) -> bool:
    return not set(rule.names).isdisjoint(holding_tokens(values))


def secret_names(rules: Iterable[SecretRule]) -> tuple[str, ...]:
    """Every variable that rules name, in their order, each once."""
    return tuple(dict.fromkeys(name for rule in rules for name in rule.names))


def missing_rules(rules: Iterable[SecretRule], given: Container[str], model: str) -> list[SecretRule]:
    """The rules on a model that the given variables do not meet."""
    return [rule for rule in rules if rule.applies_to(model) and not rule.is_met_by(given)]


def key_in_words(hint: str, rules: Iterable[SecretRule], given: Mapping[str, str], model: str) -> str:
    """Return a hint on `its key` with the variables that hold a model's key: those that are given, else what it needs,
    else what it may have. The hint stays as it is where the rules name none.
    """
    rules = [rule for rule in rules if rule.applies_to(model)]
    held = [name for rule in rules for name in rule.met_by(given) if is_secret(name, given[name])]
    secret = [rule for rule in rules if is_secret(rule.name, "")]
    wanted = [rule for rule in secret if rule.required] or secret
    unmet = [rule.wanted for rule in wanted if not rule.met_by(given)]
    names = " and ".join(dict.fromkeys(held)) or " or ".join(unmet)
    return hint.replace("its key", f"the key in {names}") if names else hint
