"""The work behind `theoryctl doctor`: every part of the machine is looked at, one after the other."""

from __future__ import annotations

from collections.abc import Callable

from theoryctl.actions.doctor import docker, folders, instances, keys, modal, network, python, reach, settings
from theoryctl.paths import ForeignFolder
from theoryctl.results.doctor import Checked, Examined

#: The checks by part, in the order in which they are shown. None leaves this machine, or changes anything on it.
CHECKS: dict[str, Callable[[], Checked]] = {
    "python": python.check,
    "settings": settings.check,
    "folders": folders.check,
    "network": network.check,
    "keys": keys.check,
    "docker": docker.check,
    "modal": modal.check,
    "instances": instances.check,
}


def examine(*, online: bool) -> Examined:
    """Examine this machine; `online` asks the vendors whose keys are set, and Modal, as well."""
    checks = {**CHECKS, "online": reach.check} if online else CHECKS
    return Examined(tuple(_checked(part, check) for part, check in checks.items()))


def _checked(part: str, check: Callable[[], Checked]) -> Checked:
    try:
        return check()
    except ForeignFolder:  # which is a finding among the folders
        return Checked(part, "not looked at, for a folder of theoryctl is not to be trusted")
