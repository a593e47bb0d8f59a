"""The wheels that an image is built from, fetched by this machine's pip with its own settings, so that the build itself
asks no network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from theoryctl.errors import BuildFailed
from theoryctl.paths import cache_dir, file_lock, private_folder
from theoryctl.progress import Progress
from theoryctl_providers.contract import canonical, sha256

#: Wheelhouses that are kept; one of LiteLLM's is some 90 MB.
KEPT = 3

#: `name==1.0 ; marker --hash=…`, once the lines that a backslash joins are one.
_REQUIREMENT = re.compile(r"(?P<requirement>[^;]+?)(?:\s*;\s*(?P<marker>.+?))?(?P<hashes>(?:\s+--hash=\S+)*)\s*")

#: Run by the base image's Python: what decides which wheels fit it. The markers are those of PEP 508.
PROBE = """\
import json, os, platform, sys, sysconfig
v = sys.version_info
markers = {
    "implementation_name": sys.implementation.name, "implementation_version": "%d.%d.%d" % v[:3], "os_name": os.name,
    "platform_machine": platform.machine(), "platform_release": "", "platform_system": platform.system(),
    "platform_version": "", "platform_python_implementation": platform.python_implementation(),
    "python_full_version": "%d.%d.%d" % v[:3], "python_version": "%d.%d" % v[:2], "sys_platform": sys.platform,
}
musl = "musl" in (sysconfig.get_config_var("SOABI") or "")
print(json.dumps({"markers": markers, "musl": musl, "libc": "1.2" if musl else platform.libc_ver()[1]}))
"""


@dataclass(frozen=True, slots=True)
class Target:
    """The Python that wheels are for: its markers (PEP 508), and which C library it is linked to, in which version."""

    markers: dict[str, str]
    musl: bool
    libc: str

    @property
    def platforms(self) -> Iterator[str]:
        """The tags of wheels that run there, by PEP 600 (manylinux) and PEP 656 (musllinux)."""
        machine = self.markers["platform_machine"]
        major, minor = (int(part) for part in self.libc.split(".")[:2])
        family = "musllinux" if self.musl else "manylinux"
        for version in range(minor, -1, -1):
            yield f"{family}_{major}_{version}_{machine}"
        if not self.musl:
            yield from (f"manylinux{old}_{machine}" for old in ("2014", "2010", "1"))


def wheelhouse(lock: Path, target: Target, progress: Progress) -> Path:
    """The folder with the wheels of a lock for a target, fetched if it is not there yet.

    Raises BuildFailed (`ERR_BUILD`) with what pip said.
    """
    try:
        text = "".join(_requirements(lock.read_text(encoding="utf-8"), target))
    except ValueError as error:  # text that is not UTF-8, and markers that are none
        raise BuildFailed(f"{lock} is not a valid lock of requirements: {error}", hint=f"fix {lock}") from None
    houses = cache_dir() / "wheelhouses"
    private_folder(houses)
    house = houses / sha256(canonical([text, list(target.platforms)])).removeprefix("sha256:")[:16]
    with file_lock(house.with_suffix(".lock")):
        if not house.is_dir():
            progress.step(f"fetching the wheels of {lock.name}, once")
            _fetch(text, target, house)
        os.utime(house)
    _forget_old(houses)
    return house


def wheel_of(package: Path, folder: Path) -> Path:
    """A package as a wheel: it is one, or is built into `folder`. Raises BuildFailed with what pip said."""
    if package.suffix == ".whl":
        return package
    shutil.rmtree(folder, ignore_errors=True)  # from a build that was interrupted
    _pip(f"building a wheel of {package}", "wheel", "--no-deps", "--wheel-dir", str(folder), str(package))
    (built,) = folder.glob("*.whl")
    return built


def _requirements(lock: str, target: Target) -> Iterator[str]:
    """The lines of a lock whose markers hold for the target: pip itself would ask the Python it runs on."""
    from packaging.markers import Marker

    for line in lock.replace("\\\n", " ").splitlines():
        found = _REQUIREMENT.fullmatch(line)
        if found is None or line.lstrip().startswith("#"):
            continue
        if found["marker"] is None or Marker(found["marker"]).evaluate({**target.markers, "extra": ""}):
            yield f"{found['requirement']} {found['hashes'].strip()}\n"


def _fetch(requirements: str, target: Target, house: Path) -> None:
    # Always the same name: what an interrupted fetch leaves, the next one goes on with.
    part = house.with_suffix(".part")
    private_folder(part)
    listed = house.with_suffix(".txt")
    listed.write_text(requirements)
    platforms = [word for tag in target.platforms for word in ("--platform", tag)]
    python = ["--python-version", target.markers["python_full_version"]]
    wanted = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(listed), "--dest", str(part)]
    _pip("fetching the wheels", "download", *python, *platforms, *wanted)
    listed.unlink()
    part.rename(house)


def _pip(what: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = "\n  ".join(done.stderr.strip().splitlines()[-5:])
        raise BuildFailed(f"{what} failed: pip said:\n  {last}", hint="fix that, and run the command again")


def _forget_old(houses: Path) -> None:
    def used(house: Path) -> float:
        return house.stat().st_mtime

    folders: Iterable[Path] = (path for path in houses.iterdir() if path.is_dir() and not path.suffix)
    for house in sorted(folders, key=used, reverse=True)[KEPT:]:
        shutil.rmtree(house, ignore_errors=True)
