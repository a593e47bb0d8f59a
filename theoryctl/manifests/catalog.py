"""Find the manifest of a ref: the folders that are searched, and their order."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import stat
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from theoryctl.errors import BadManifest, BadRef, RefNotFound
from theoryctl.hints import again, command
from theoryctl.manifests.cache import load_manifest
from theoryctl.manifests.model import Manifest
from theoryctl.paths import bundled, config_dir
from theoryctl.refs import ProviderRef
from theoryctl.settings import Settings, existing_folder

ENTRY_POINTS = "theoryctl.manifests"

#: Why ./manifests is searched, which nobody asked for: other programs call a folder so too, as Kubernetes' users do.
_PROJECT = "project"

#: Bytes of a file that tell its kind, and the most files that are asked.
_HEAD, _ASKED = 4096, 100

#: The ref in a manifest.
_REF = re.compile(rb"""^ref:[ \t]*["']?([^\s"'#]+)""", re.MULTILINE)


class Place(NamedTuple):
    """A folder of manifests and why it is searched."""

    source: str
    folder: Path


class Found:
    """A manifest file: its ref by its name, and where it lies."""

    def __init__(self, ref: ProviderRef, file: Path, source: str) -> None:
        self.ref, self.file, self.source = ref, file, source

    @property
    def root(self) -> Path:
        """The folder that holds the manifests folder: what paths in the manifest are relative to."""
        return beside(self.folder)

    @property
    def folder(self) -> Path:
        """The manifests folder."""
        return self.file.parents[1]

    def load(self) -> Manifest:
        """The validated manifest, read once. Raises BadManifest, also for a file that cannot be read."""
        return self._manifest

    @cached_property
    def _manifest(self) -> Manifest:
        return load_manifest(self.file, self.ref)


class Catalog:
    """The manifests a command can see. `manifests` is the folder of `--manifests`, searched first."""

    def __init__(self, manifests: str | None = None) -> None:
        self._flag = manifests

    def find(self, ref: ProviderRef) -> Found:
        """The first manifest of that ref. Raises RefNotFound (`ERR_REF_NOT_FOUND`) that says where it looked, and which
        ref may have been meant; UsageError when a folder that was asked for is none."""
        searched = []
        for place in self.places():
            file = place.folder / ref.file
            if _is_there(file):
                return Found(ref, file, place.source)
            searched.append(f"{place.source} ({_short(place.folder)})")
        raise self._not_found(ref, searched)

    def has(self, ref: ProviderRef) -> bool:
        """Return whether there is a manifest of that ref. Raises what `find` does for folders."""
        return any(_is_there(place.folder / ref.file) for place in self.places())

    def all(self) -> list[Found]:
        """Every ref once, as `find` would find it, sorted."""
        found: dict[ProviderRef, Found] = {}
        for place in self.places():
            for ref, file in _files(place.folder):
                found.setdefault(ref, Found(ref, file, place.source))
        return [found[ref] for ref in sorted(found)]

    def places(self) -> Iterator[Place]:
        """The folders in the order they are searched; packages come last, for looking them up is slow."""
        seen: set[str] = set()
        for place in self._candidates():
            real = os.path.realpath(place.folder)
            if real not in seen and os.path.isdir(real) and (place.source != _PROJECT or _is_ours(place.folder)):
                seen.add(real)
                _must_be_open(place.folder)
                yield place

    def _candidates(self) -> Iterator[Place]:
        if self._flag is not None:
            yield Place("--manifests", existing_folder(self._flag, "--manifests"))
        if configured := Settings().value("manifests"):
            yield Place(configured.source, configured.read)
        yield Place(_PROJECT, Path("manifests"))
        yield Place("user", config_dir() / "manifests")
        yield Place("bundled", bundled_folder())
        yield from _package_places()

    def _not_found(self, ref: ProviderRef, searched: list[str]) -> RefNotFound:
        if misnamed := self._misnamed(ref):
            file = misnamed.with_name(f"{ref.name}@{ref.version}.yaml")
            message = f"no manifest for {str(ref)!r}: expected {file}, got {misnamed}"
            return RefNotFound(message, hint=shlex.join(("mv", str(misnamed), str(file))))
        near = get_close_matches(str(ref), [str(found.ref) for found in self.all()], n=1)
        return RefNotFound(
            f"no manifest for {str(ref)!r}; searched: {', '.join(searched)}",
            hint=again(f"use {near[0]}", ref=near[0]) if near else command("manifest list"),
        )

    def _misnamed(self, ref: ProviderRef) -> Path | None:
        """The file that was meant as the manifest of a ref: its name lacks the version, or ends in `.yml`, and
        it names no other ref."""
        names = (f"{ref.name}@{ref.version}.yml", f"{ref.name}.yaml", f"{ref.name}.yml")
        folders = (place.folder for place in self._candidates() if os.path.isdir(place.folder))
        found = (folder / ref.namespace / name for folder in folders for name in names)
        return next((file for file in found if os.path.isfile(file) and _ref_in(file) in (None, str(ref))), None)


def beside(manifests: Path) -> Path:
    """The folder that holds a manifests folder."""
    return Path(os.path.abspath(manifests)).parent


def bundled_folder() -> Path:
    """The manifests that came with theoryctl."""
    return bundled("manifests", in_checkout="manifests")


def _is_ours(folder: Path) -> bool:
    """Return whether ./manifests holds manifests of ours, or nothing that tells otherwise."""
    named = list(itertools.islice(folder.glob("*/*@*.yaml"), _ASKED))
    if named:
        return not all(map(_begins_otherwise, named))
    return not any(itertools.chain(folder.glob("*.y*ml"), folder.glob("*/*.y*ml")))


def _ref_in(file: Path) -> str | None:
    """The ref that a manifest names at its beginning; None where it cannot be seen."""
    try:
        with file.open("rb") as opened:
            named = _REF.search(opened.read(_HEAD))
    except OSError:
        return None
    return named[1].decode(errors="replace") if named else None


def _begins_otherwise(file: Path) -> bool:
    """Return whether a file begins as Kubernetes' do (kubernetes.io, "Required fields")."""
    try:
        with file.open("rb") as opened:
            return b"\napiVersion:" in b"\n" + opened.read(_HEAD)
    except OSError:
        return False  # reading it will say why


def _must_be_open(folder: Path) -> None:
    # Python's own look-ups take what may not be read for empty.
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadManifest(f"{folder}: the manifests in it cannot be read", hint=f"ls -ld {shlex.quote(str(folder))}")


def _is_there(file: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(file).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        hint = f"ls -ld {shlex.quote(str(file.parent))}"
        raise BadManifest(f"{file}: cannot be read: {error.strerror}", hint=hint) from None


def _files(folder: Path) -> Iterator[tuple[ProviderRef, Path]]:
    for file in sorted(folder.glob("*/*@*.yaml")):
        try:
            yield ProviderRef.parse(f"{file.parent.name}/{file.stem}"), file
        except BadRef:
            continue


def _package_places() -> Iterator[Place]:
    """Folders of installed packages: the entry point names the package that holds them."""
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            spec = find_spec(entry.value)
        except ImportError as error:
            raise BadManifest(
                f"the entry point {entry.name!r} of {ENTRY_POINTS} cannot be imported: {error}",
                hint=f"reinstall or remove the package that declares {entry.value!r}",
            ) from error
        for folder in (spec and spec.submodule_search_locations) or ():
            yield Place(f"package {entry.name}", Path(folder))


def _short(folder: Path) -> str:
    home = os.path.expanduser("~")
    text = str(folder)
    return f"~{text[len(home) :]}" if text.startswith(home + os.sep) else text
