"""The vendors whose keys are set, and Modal: asked whether they answer. No key is sent to a vendor."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING

from theoryctl.actions.doctor.commands import as_root, quoted, unset
from theoryctl.actions.vendors import check_address, is_led, is_ready, vendors
from theoryctl.results.doctor import Checked, Finding
from theoryctl_providers.contract import ProviderError

if TYPE_CHECKING:
    from theoryctl.actions.vendors import Vendor

#: Seconds until a vendor that says nothing is given up, and those by which a clock may be wrong.
_SECONDS, _SKEW = 5.0, 300


@dataclass(frozen=True, slots=True)
class _Answer:
    """A vendor's answer: the `reason` why there is none, or the time that it says it is, in seconds since the epoch."""

    vendor: Vendor
    address: str
    variable: str | None
    reason: str | None = None
    time: float | None = None


def check() -> Checked:
    """Ask every vendor that can be called from here for its headers, and Modal for its greeting."""
    places = [place for vendor in vendors() if not is_led(vendor) and (place := _place(vendor))]
    with ThreadPool(8) as pool:  # of daemon threads: Ctrl-C waits for no vendor
        answers = pool.map(_ask, places)
    findings = [*(finding for each in answers for finding in _unreachable(each)), *_skew(answers), *_modal()]
    names = ", ".join(each.vendor.title for each in answers if each.reason is None)
    return Checked("online", f"{names} can be reached" if names else "no vendor was reached", tuple(findings))


def _place(vendor: Vendor) -> _Answer | None:
    """The address to ask; None where the vendor is not set up, or its address is not known or no address."""
    variable = next((name for name in vendor.addresses if os.environ.get(name, "").strip()), None)
    if not (variable or (vendor.needs and vendor.address and is_ready(vendor))):
        return None
    try:
        address = check_address(variable, os.environ[variable], vendor) if variable else vendor.address
    except ProviderError:
        return None
    return _Answer(vendor, str(address), variable)


def _ask(place: _Answer) -> _Answer:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(place.address, method="HEAD"), timeout=_SECONDS) as answer:
            return replace(place, time=_date(answer.headers["Date"]))
    except HTTPError as refused:  # to be refused without a key is an answer, too
        with refused:
            return replace(place, time=_date(refused.headers["Date"]))
    except (HTTPException, OSError, ValueError) as error:
        return replace(place, reason=str(getattr(error, "reason", None) or error))


def _date(header: str | None) -> float | None:
    """Seconds since the epoch; None where a server says no time, or none that can be read."""
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


def _unreachable(answer: _Answer) -> Iterator[Finding]:
    if answer.reason is None:
        return
    what = f"{answer.vendor.title} ({answer.address}) cannot be reached: {answer.reason}"
    command = f"curl --head {quoted(answer.address)}"
    if answer.variable:
        command = "ollama serve" if answer.vendor.name == "ollama" else unset(answer.variable)
    yield Finding(what, f"every call of {answer.vendor.title} fails", command, "ERR_UNREACHABLE")


def _skew(answers: list[_Answer]) -> Iterator[Finding]:
    """The clock is wrong where whoever said a time said another."""
    offsets = sorted(time.time() - each.time for each in answers if each.time is not None)
    if offsets and min(map(abs, offsets)) > _SKEW:
        what = f"the clock of this machine is {abs(offsets[len(offsets) // 2]) / 60:.0f} minutes off"
        command = as_root("timedatectl set-ntp true")
        yield Finding(what, "certificates and signed requests are refused", command, "ERR_UNREACHABLE")


def _modal() -> Iterator[Finding]:
    """Modal is asked where it has a token."""
    from theoryctl.actions.doctor import modal

    if not modal.has_token():
        return
    from theoryctl.modal.names import environment_name
    from theoryctl.modal.sdk import check_environment, connected

    try:
        with connected() as sdk:
            check_environment(sdk, environment_name(None))
    except ProviderError as error:
        command = str(error.hint).rpartition("run: ")[2]
        yield Finding(error.message, "every command of `theoryctl modal` fails", command, error.code)
