"""Variables of ours, and the manifests that they lead to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches

from theoryctl.actions.doctor.commands import unset
from theoryctl.hints import command
from theoryctl.images.choice import base_image
from theoryctl.manifests.catalog import Catalog
from theoryctl.modal.names import environment_name
from theoryctl.paths import ForeignFolder
from theoryctl.results.doctor import Checked, Finding
from theoryctl.settings import SETTINGS, Settings
from theoryctl.settings_file import BadSetting
from theoryctl_providers.contract import ProviderError
from theoryctl_providers.contract.key_shapes import KEY

_PREFIX = "THEORYCTL_"
#: Variables that are no settings.
_OTHERS = tuple(f"{_PREFIX}{name}" for name in ("STATE_DIR", "CACHE_DIR", "BASE_IMAGE", "ENV", "URL", "TOKEN"))


def check() -> Checked:
    """Check the settings and variables that change what a command does, and every manifest."""
    findings = (*_settings(), *_variables())
    try:
        Settings().value("manifests")
    except BadSetting:  # said above
        return Checked("settings", "the manifests are not looked at", findings)
    refs, broken = _manifests()
    return Checked("settings", f"{refs} manifests", (*findings, *broken))


def _settings() -> Iterator[Finding]:
    """Settings whose value breaks their rule; a file that cannot be read is wrong once, for all that it may set."""
    settings, found = Settings(), dict[str, BadSetting]()
    for name in SETTINGS:
        try:
            settings.value(name)
        except BadSetting as error:
            found.setdefault(error.message, error)
    for message, bad in found.items():
        what = KEY.sub("…", message)  # a key may stand in the wrong place
        yield Finding(what, "each command that reads it is refused", bad.fix, bad.code)


def _variables() -> Iterator[Finding]:
    """Variables that are no settings, and that a command reads as `--env` and `--base-image`."""
    checks = {"every command of Modal's is refused": environment_name, "no image can be built": base_image}
    for why, check in checks.items():
        try:
            check(None)
        except ProviderError as error:
            yield Finding(KEY.sub("…", error.message), why, str(error.hint), error.code)
    yield from _misspelt()


def _misspelt() -> Iterator[Finding]:
    """Variables that nothing reads, and that are called much like one that is read."""
    known = [each.removeprefix(_PREFIX) for each in (*(setting.variable for setting in SETTINGS.values()), *_OTHERS)]
    for variable in sorted(os.environ):
        name = variable.removeprefix(_PREFIX)
        if name != variable and name not in known and (near := get_close_matches(name, known, n=1, cutoff=0.75)):
            what = f"{variable} is no variable of theoryctl, and {_PREFIX}{near[0]} is"
            yield Finding(what, "it changes nothing", unset(variable))


def _manifests() -> tuple[int, list[Finding]]:
    """The number of refs, and what is wrong with their manifests."""
    findings = []
    try:
        found = Catalog().all()
    except ProviderError as error:  # a folder that may not be read, a package that cannot be imported
        return 0, [Finding(error.message, "no manifest is found", str(error.hint), error.code)]
    for each in found:
        try:
            each.load()
        except ForeignFolder:  # of the cache
            raise
        except ProviderError as error:
            what = error.message.splitlines()[0]
            validate = command("manifest validate", str(each.file))
            findings.append(Finding(what, f"{each.ref} cannot be run", str(validate), error.code))
    return len(found), findings
