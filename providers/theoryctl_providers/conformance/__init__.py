"""Holds a provider against the rules that every provider keeps, as a test of its author's does.

assert_conforms("acme_echo:Echo", {"model": "acme/one", "messages": [{"role": "user", "content": "Hi"}]})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from theoryctl_providers.blame import is_fault, told
from theoryctl_providers.conformance.checks import CHECKS
from theoryctl_providers.conformance.subject import Failed, Skipped, Subject
from theoryctl_providers.contract import ProviderConfig, ProviderError
from theoryctl_providers.contract.conformance import Check, Report
from theoryctl_providers.redact import Redactor

__all__ = ["Check", "Report", "Vendor", "assert_conforms", "check_provider"]

#: Variables with a vendor's key and address, or what makes them and takes the vendor down again.
Vendor = Mapping[str, str] | Callable[[], AbstractContextManager[Mapping[str, str]]]


def check_provider(
    provider: str | type[Any] | ProviderConfig,
    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    vendor: Vendor | None = None,
    seconds: float = 60.0,
) -> Report:
    """Make every check of a provider with these inputs, and report them; nothing is raised for one that fails.

    `provider` is a name as a manifest has it, the class, or a config with input schema and default model. Real mode is
    checked against `vendor` alone: a mapping of variables to their values, as secrets are given, or a callable that
    returns a context manager of one; without it these checks are skipped. `seconds` is the time for each answer.
    Call it where no event loop runs.
    """
    given = [inputs] if isinstance(inputs, Mapping) else list(inputs)
    config = provider if isinstance(provider, ProviderConfig) else ProviderConfig(provider=_name(provider))
    with vendor() if callable(vendor) else nullcontext(vendor) as variables:
        subject = Subject(config, given, variables, seconds)
        return Report(config.provider, tuple(_made(name, check, subject) for name, check in CHECKS.items()))


def assert_conforms(
    provider: str | type[Any] | ProviderConfig,
    inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    vendor: Vendor | None = None,
    seconds: float = 60.0,
) -> None:
    """Raise AssertionError with the report where a check of `check_provider` fails."""
    report = check_provider(provider, inputs, vendor=vendor, seconds=seconds)
    if not report.conforms:
        raise AssertionError("\n".join((f"{report.provider} does not conform:", *report.lines())))


def _name(provider: str | type[Any]) -> str:
    return provider if isinstance(provider, str) else f"{provider.__module__}:{provider.__qualname__}"


def _made(name: str, check: Callable[[Subject], None], subject: Subject) -> Check:
    try:
        check(subject)
    except Skipped as reason:
        return Check(name, "skipped", str(reason))
    except BaseException as error:  # whatever the provider's own code raises, and it may quote a key
        if not (isinstance(error, ProviderError) or is_fault(error)):
            raise
        return Check(name, "failed", Redactor(subject.vendor or {}).error_text(_reason(error, subject)))
    return Check(name, "passed")


def _reason(error: BaseException, subject: Subject) -> str:
    if isinstance(error, ProviderError):
        return f"{error.code}: {error.message}"
    if isinstance(error, TimeoutError):
        return f"no end within {subject.seconds:g} s"
    return str(error) if isinstance(error, Failed) else told(error)
