"""Find the option or the input that an unknown option was meant for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from theoryctl.cli.arguments import read


def as_input(arguments: Sequence[str], option: str, context: Any, *, guesses: bool) -> list[str] | None:
    """Return the arguments with an unknown option as `-o KEY=VALUE`, at their end.

    None where it names no input of the ref, nor `guesses` and is near to one, has no value, or the command takes none.
    """
    at = _place(arguments, option)
    if at is None or not any("-o" in param.opts for param in context.command.params):
        return None
    joined, value = "=" in arguments[at], arguments[at].partition("=")[2]
    if not joined:
        value = arguments[at + 1] if at + 1 < len(arguments) else ""
    key = _meant(option.lstrip("-").replace("-", "_"), _inputs(arguments), guesses) if value else None
    if key is None:
        return None
    rest = [*arguments[:at], *arguments[at + (1 if joined else 2) :]]
    return [*rest, "-o", f"{key}={value}"]


def nearest(option: str, options: Sequence[str]) -> str:
    """Return the option that was meant: first one of the same letters, because two of them change places easily."""
    same = [each for each in options if sorted(each) == sorted(option)]
    return same[0] if same else get_close_matches(option, options, n=1, cutoff=0)[0]


def _place(arguments: Sequence[str], option: str) -> int | None:
    return next((at for at, word in enumerate(arguments) if word.partition("=")[0] == option), None)


def _meant(key: str, known: Mapping[str, Any], guesses: bool) -> str | None:
    """The input that is called so, else one whose name is near."""
    near = get_close_matches(key, known, n=1) if guesses and key not in known else []
    return key if key in known else next(iter(near), None)


def _inputs(arguments: Sequence[str]) -> Mapping[str, Any]:
    """The inputs that the schema of the ref knows; none where the ref is not found."""
    from theoryctl.actions.default_ref import default_ref
    from theoryctl.manifests.catalog import Catalog
    from theoryctl.refs import ProviderRef
    from theoryctl_providers.contract import ProviderError

    options = read(arguments).options
    try:
        chosen = default_ref()
        ref = ProviderRef.parse(options.get("--ref") or (chosen.ref if chosen else ""))
        known: Mapping[str, Any] = Catalog(options.get("--manifests")).find(ref).load().inputs.get("properties", {})
    except ProviderError:
        return {}
    return known
