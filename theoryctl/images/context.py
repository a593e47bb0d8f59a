"""The files of a build context, and one digest of them all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from theoryctl.errors import BadManifest
from theoryctl.manifests.model import Build
from theoryctl.paths import bundled
from theoryctl_providers.contract import canonical, sha256

#: The name by which a manifest asks for the context that theoryctl brings along.
BUNDLED = "providers"
DOCKERFILE = "Dockerfile"
LOCK = "requirements.lock"

_CACHES = {"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
#: What is built of a project, at its top; further down they are packages like others.
_BUILT = {"build", "dist"}


@dataclass(frozen=True)
class BuildContext:
    """The files of a context, by their paths inside it, and the wheels or projects that are installed besides."""

    files: dict[str, Path]
    packages: tuple[Path, ...]

    @property
    def lock(self) -> Path | None:
        """The locked dependencies, if it has any."""
        return self.files.get(LOCK)

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of every path and content. Times and modes do not count, so two checkouts have the same."""
        contents = {name: _digest(path) for name, path in self.files.items()}
        packages = [{name: _digest(path) for name, path in _package_files(package)} for package in self.packages]
        return sha256(canonical({"files": contents, "packages": packages}))


def find_context(root: Path, build: Build) -> BuildContext:
    """The context that a manifest names. Raises BadManifest (`ERR_MANIFEST`) where it, or a package, is not there."""
    packages = tuple(_package(root, name) for name in build.packages)
    folder = root / build.context
    if (folder / DOCKERFILE).is_file() and not _is_bundled(folder):
        return BuildContext(_own_files(folder), packages)
    if build.context == BUNDLED:
        return BuildContext(_bundled_files(), packages)
    raise BadManifest(
        f"image.build.context: {folder} has no {DOCKERFILE}", hint=f"add one, or write image.build.context: {BUNDLED}"
    )


def _digest(path: Path) -> str:
    """The digest of a file, which may be large. Raises BadManifest for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise BadManifest(f"image.build: {path}: {error.strerror}", hint=f"ls -l {quote(str(path))}") from error


def _is_bundled(folder: Path) -> bool:
    return folder.resolve() == _bundled_folder().resolve()


def _bundled_folder() -> Path:
    """The folder of the image's Dockerfile and lock."""
    return bundled("context", in_checkout=BUNDLED)


def _bundled_files() -> dict[str, Path]:
    spec = find_spec("theoryctl_providers")
    assert spec is not None and spec.origin is not None
    folder, package = _bundled_folder(), Path(spec.origin).parent
    files = {name: folder / name for name in (DOCKERFILE, LOCK)}
    return files | {f"{package.name}/{name}": path for name, path in _walk(package)}


def _own_files(folder: Path) -> dict[str, Path]:
    from theoryctl.docker.daemon import without_ignored

    ignore = folder / ".dockerignore"
    try:
        lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    except (OSError, ValueError) as error:
        raise BadManifest(f"image.build.context: {ignore}: {error}", hint=f"fix {ignore}") from None
    kept = without_ignored(folder, [line.strip() for line in lines if line.strip() and not line.startswith("#")])
    return {name: folder / name for name in sorted(kept)}


def _package(root: Path, name: str) -> Path:
    path = root / name
    if path.suffix == ".whl" and path.is_file():
        return path
    if any((path / file).is_file() for file in ("pyproject.toml", "setup.py")):
        return path
    raise BadManifest(
        f"image.build.packages: {path} is neither a wheel nor a folder with a pyproject.toml",
        hint="paths are relative to the folder that holds the manifests folder",
    )


def _package_files(package: Path) -> Iterator[tuple[str, Path]]:
    return iter([(package.name, package)]) if package.is_file() else _walk(package)


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below a folder with its path inside it, sorted; without what tools leave there."""
    for where, folders, files in os.walk(folder):
        left = _CACHES | _BUILT if Path(where) == folder else _CACHES
        folders[:] = sorted(name for name in folders if name not in left and not name.endswith(".egg-info"))
        for name in sorted(files):
            if not name.endswith(".pyc"):
                path = _regular(Path(where, name))
                yield path.relative_to(folder).as_posix(), path


def _regular(path: Path) -> Path:
    """A file that can be read to its end, as no FIFO can. Raises BadManifest for what is none."""
    if not path.is_file():
        raise BadManifest(f"image.build: {path} is no regular file, nor leads to one", hint=f"ls -l {quote(str(path))}")
    return path
