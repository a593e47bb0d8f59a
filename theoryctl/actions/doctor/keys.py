"""Keys of vendors in this environment: well-formed, whole, and in the variable that they belong in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from theoryctl.actions.doctor.commands import unset
from theoryctl.actions.vendors import check_address, is_led, is_ready, missing, vendors
from theoryctl.hints import LEAVE_INSTANCE
from theoryctl.instances import records
from theoryctl.results.doctor import Checked, Finding
from theoryctl.secrets import on_this_host
from theoryctl_providers.contract import TOKEN_PREFIX, ProviderError, is_secret
from theoryctl_providers.contract.clients import CLIENTS

if TYPE_CHECKING:
    from theoryctl.actions.vendors import Vendor

#: Beginnings of keys that only one vendor's have, and the first variable of that vendor.
_BEGINNINGS = {
    "sk-ant-": "ANTHROPIC_API_KEY",
    "sk-or-": "OPENROUTER_API_KEY",
    "sk-proj-": "OPENAI_API_KEY",
    "gsk_": "GROQ_API_KEY",
    "r8_": "REPLICATE_API_KEY",
    "xai-": "XAI_API_KEY",
    "AIza": "GEMINI_API_KEY",
    "pplx-": "PERPLEXITY_API_KEY",
}
#: Texts that stand for a key in documentation.
_PLACEHOLDER = re.compile(r"<.*>|.*(\.\.\.|…|your[-_ ]|xxxx|placeholder|change[-_ ]?me|replace[-_ ]?me).*", re.I)
#: Paths of files with credentials, or their JSON.
_DOCUMENTS = ("VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS")


def check() -> Checked:
    """Check every variable that concerns a vendor, as this environment has it."""
    table = vendors()
    findings = [
        *_led_to_an_instance(table),
        *(each for vendor in table if not is_led(vendor) for each in _vendor(vendor)),
    ]
    known = ", ".join(vendor.title for vendor in table if vendor.needs and is_ready(vendor))
    return Checked("keys", f"set for {known}" if known else "none is set; mock mode needs none", tuple(findings))


def _vendor(vendor: Vendor) -> Iterator[Finding]:
    given = {name: os.environ[name] for name in vendor.variables if name in os.environ}
    for name, value in given.items():
        if finding := _variable(name, value, vendor):
            yield finding
    if given and all(value.strip() for value in given.values()):
        yield from _incomplete(vendor)


def _led_to_an_instance(table: tuple[Vendor, ...]) -> Iterator[Finding]:
    """After `eval "$(theoryctl local env)"`: the instance may have gone since. An endpoint on Modal is not asked."""
    url = os.environ.get("THEORYCTL_URL")
    if url and not on_this_host(url):
        return
    tokens = {instance.token for instance in records.all_instances()}
    given = {name: os.environ.get(name, "") for vendor in table for name in vendor.variables}
    stale = [name for name, value in given.items() if value.startswith(TOKEN_PREFIX) and value not in tokens]
    if stale:
        what = f"{', '.join(stale)}: the token of an instance that is not started any more"
        others = [unset(name) for name in stale if name not in CLIENTS]
        command = " && ".join((LEAVE_INSTANCE, *others))
        yield Finding(what, "clients ask an address where nobody answers", command, "ERR_TOKEN")


def _variable(name: str, value: str, vendor: Vendor) -> Finding | None:
    if not value.strip():
        return Finding(f"{name} is empty", "it counts as missing", unset(name), "ERR_MISSING_SECRET")
    if name in vendor.addresses:
        return _address(name, value, vendor)
    if name in _DOCUMENTS:
        return _document(name, value)
    return _key(name, value.strip(), vendor) if is_secret(name, value) else None


def _address(name: str, value: str, vendor: Vendor) -> Finding | None:
    try:
        check_address(name, value, vendor)
    except ProviderError as error:
        return Finding(error.message, f"every call of {vendor.title} is refused", unset(name), error.code)
    return None


def _document(name: str, value: str) -> Finding | None:
    if value.lstrip().startswith("{") or os.path.isfile(value):
        return None
    return Finding(f"{name} names a file that does not exist", "Google refuses every call", unset(name), "ERR_AUTH")


def _key(name: str, value: str, vendor: Vendor) -> Finding | None:
    why = f"{vendor.title} refuses every call"
    if _PLACEHOLDER.fullmatch(value):
        return Finding(f"{name} holds an example instead of a key", why, unset(name), "ERR_AUTH")
    if re.search(r"[\s'\"]|[^ -~]", value):
        command = f'export {name}="$(printf %s "${name}" | LC_ALL=C tr -dc \'!#-&(-~\')"'
        return Finding(f"{name} has quotes, blanks or other odd characters in it", why, command, "ERR_AUTH")
    home = next((home for beginning, home in _BEGINNINGS.items() if value.startswith(beginning)), name)
    if home not in vendor.variables and not any(os.environ.get(each) for each in vendor.addresses):
        what = f"{name} holds a key that belongs in {home}"
        return Finding(what, why, f'export {home}="${name}" && {unset(name)}', "ERR_AUTH")
    return None


def _incomplete(vendor: Vendor) -> Iterator[Finding]:
    """Something of what the vendor needs is set, and something else is not."""
    for names in missing(vendor):
        what = f"{vendor.title} needs {' and '.join(names)} too"
        command = " && ".join(f"read -r {name} && export {name}" for name in names)
        yield Finding(what, f"every call of {vendor.title} is refused", command)
