"""The secrets of a request: the check that they are there, and their names in the hint of a key that was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from theoryctl_providers.contract import (
    ProviderError,
    Remedy,
    ResolvedRequest,
    SecretRule,
    key_in_words,
    missing_rules,
    secret_names,
)
from theoryctl_providers.lookup import secret_rules_of


def name_key(error: ProviderError, request: ResolvedRequest | None) -> None:
    """Let the hint of a failure that is about the key of a request, once that is resolved, name its variables."""
    if request is not None and error.hint in (Remedy.KEY, Remedy.PERMISSION):
        config = request.config
        rules = config.secret_rules or secret_rules_of(config.provider)
        error.hint = key_in_words(error.hint, rules, config.secrets, request.model)


def check_secrets(
    rules: Sequence[SecretRule],
    secrets: Mapping[str, str],
    model: str,
    own: Sequence[SecretRule] = (),
    withheld: Sequence[str] = (),
) -> None:
    """Raise ProviderError `ERR_MISSING_SECRET` naming every secret that `model` needs and that is absent or empty.

    `own` are the provider's rules, by which a server knows all that would do: what it was told is `settled`.
    `withheld` is that of the config.
    """
    concerned = [rule for rule in rules if rule.required and rule.applies_to(model)]
    broken = [name for name in secret_names(concerned) if not _is_key(secrets.get(name, "").strip())]
    if broken:
        message = f"{', '.join(broken)} holds characters that no key has"
        raise ProviderError("ERR_MISSING_SECRET", message, hint=f"set {' and '.join(broken)} again without line breaks")
    missing = missing_rules(concerned, {name for name, value in secrets.items() if value.strip()}, model)
    missing = [_in_full(rule, own, secret_names(rules)) for rule in missing]
    if missing:
        raise ProviderError(
            "ERR_MISSING_SECRET",
            f"{model} needs {_wanted(missing)}, {_not_set(missing, withheld)}",
            hint=f"set {' and '.join(rule.name for rule in missing)}",
        )


def _in_full(rule: SecretRule, own: Sequence[SecretRule], known: Sequence[str]) -> SecretRule:
    """The provider's own form of a rule, where all of its variables count here."""
    return next((each for each in own if each.name == rule.name and set(each.names) <= set(known)), rule)


def _is_key(value: str) -> bool:
    return value.isprintable() and value.isascii()


def _wanted(missing: Sequence[SecretRule]) -> str:
    """All that is missing, in words; `one of A, B` stands apart from what else there is."""
    return ("; " if any(rule.alternatives for rule in missing) else ", ").join(rule.wanted for rule in missing)


def _not_set(missing: Sequence[SecretRule], withheld: Sequence[str]) -> str:
    if held := [name for name in secret_names(missing) if name in withheld]:
        return f"but {' and '.join(held)} {'hold' if len(held) > 1 else 'holds'} the token of a started instance"
    return "which are not set" if len(missing) > 1 or missing[0].alternatives else "which is not set"
