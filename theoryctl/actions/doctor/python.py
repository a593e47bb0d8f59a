"""Python, and the packages that theoryctl and its extras are made of."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from theoryctl.actions.doctor.commands import unset
from theoryctl.results.doctor import Checked, Finding
from theoryctl_providers.contract import install_command
from theoryctl_providers.contract.compromised import is_compromised

#: The use of an extra.
_PURPOSES = {
    "real": "real mode calls vendors through it",
    "modal": "it is the way to Modal",
    "image": "it fetches what an image is built from",
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A package that theoryctl wants: the versions it takes, and the extra that brings it ("": it always comes).

    `found` is the version that is installed, if any is.
    """

    name: str
    versions: str
    extra: str
    found: str | None


def check() -> Checked:
    """Check the packages that are installed against those that theoryctl wants."""
    wanted = list(_wanted())
    findings = [*_missing(wanted), *_wrong(wanted)]
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        why = "every start compiles all of the code again"
        findings.append(Finding("PYTHONDONTWRITEBYTECODE is set", why, unset("PYTHONDONTWRITEBYTECODE")))
    said = f"{platform.python_version()} at {sys.executable}, {_extras(wanted)}"
    return Checked("python", said, tuple(findings))


def _extras(wanted: list[_Wanted]) -> str:
    """The extras that are installed whole: `extras real, modal`."""
    lacking = {each.extra for each in wanted if not each.found}
    whole = [extra for extra in dict.fromkeys(each.extra for each in wanted) if extra and extra not in lacking]
    return f"extra{'s' if len(whole) > 1 else ''} {', '.join(whole)}" if whole else "no extras"


def _wanted() -> Iterator[_Wanted]:
    """The requirements that theoryctl's metadata names, for this platform. They are read without `packaging`, which
    only an extra brings."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires("theoryctl") or []
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return
    seen: set[str] = set()
    for line in sorted(lines, key=lambda line: "all" in line.partition(";")[2]):  # it brings what others bring
        requirement, _, marker = line.partition(";")
        name, versions = re.fullmatch(r"([\w.-]+)(?:\[.*?\])?\s*(.*)", requirement.strip()).groups()  # type: ignore[union-attr]
        extra = re.search(r"extra == ['\"](\w+)", marker)
        if name not in seen | {"theoryctl"} and not (sys.platform == "win32" and "win32" in marker):
            seen.add(name)
            yield _Wanted(name, versions, extra[1] if extra else "", _version(name))


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _missing(wanted: list[_Wanted]) -> Iterator[Finding]:
    """Packages that are missing: those of an extra are advice, those of theoryctl itself errors."""
    for extra in dict.fromkeys(each.extra for each in wanted):
        names = [each.name for each in wanted if each.extra == extra and not each.found]
        if names and extra:
            what = f"the extra {extra} is not installed, or not all of it: {', '.join(names)}"
            yield Finding(what, _PURPOSES.get(extra, "a part of theoryctl needs it"), install_command(names[0]))
        for name in () if extra else names:
            what = f"the package {name} is not installed"
            yield Finding(what, "theoryctl needs it", install_command(name), "ERR_PROVIDER")


def _wrong(wanted: list[_Wanted]) -> Iterator[Finding]:
    """Packages in a version that theoryctl does not take: an extra's are advice, as they are where they are missing."""
    for each in wanted:
        if each.found and is_compromised(each.name, each.found):
            what = f"{each.name} {each.found} is a compromised release"
            why = "it carried malicious code: replace every key that this machine has held, too"
            yield Finding(what, why, install_command(each.name), "ERR_PROVIDER")
        elif each.found and not _takes(each.versions, each.found):
            what, why = f"expected {each.name}{each.versions}, got {each.found}", "theoryctl was not tried with it"
            yield Finding(what, why, install_command(each.name), None if each.extra else "ERR_PROVIDER")


def _takes(versions: str, found: str) -> bool:
    """Return whether a version is one of those that are wanted; True where that cannot be told."""
    try:
        from packaging.specifiers import SpecifierSet
    except ModuleNotFoundError:
        return True
    return SpecifierSet(versions).contains(found, prereleases=True)
