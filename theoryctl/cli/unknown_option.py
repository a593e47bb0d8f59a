"""Find the input that an unknown option was meant for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from theoryctl.cli.arguments import read


def as_input(arguments: Sequence[str], option: str, context: Any) -> list[str] | None:
    """Return the arguments with an unknown option as `-o KEY=VALUE`, at their end; None where it names no input of the
    ref, has no value, or the command takes no inputs."""
    key, at = option.lstrip("-").replace("-", "_"), _place(arguments, option)
    if at is None or not any("-o" in param.opts for param in context.command.params):
        return None
    joined, value = "=" in arguments[at], arguments[at].partition("=")[2]
    if not joined:
        value = arguments[at + 1] if at + 1 < len(arguments) else ""
    if not value or key not in _inputs(arguments):
        return None
    rest = [*arguments[:at], *arguments[at + (1 if joined else 2) :]]
    return [*rest, "-o", f"{key}={value}"]


def _place(arguments: Sequence[str], option: str) -> int | None:
    return next((at for at, word in enumerate(arguments) if word.partition("=")[0] == option), None)


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
