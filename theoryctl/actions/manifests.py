"""The work behind `theoryctl manifest`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from shlex import quote

from theoryctl.errors import BadManifest, BadRef, UsageError
from theoryctl.hints import Hint, again, command, path_hint
from theoryctl.manifests.cache import read_manifest
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.paths import file_lock, state_dir
from theoryctl.refs import ProviderRef
from theoryctl.results.manifests import (
    ManifestExported,
    ManifestList,
    ManifestRow,
    ManifestShown,
    ManifestsValid,
    SchemaShown,
)
from theoryctl.secrets import read_secrets
from theoryctl_providers.contract import ProviderError, replace_file, secret_names, sha256


def list_manifests(folder: str | None) -> ManifestList:
    """Every ref that can be found; a broken manifest is a row too, and says so."""
    return ManifestList(tuple(_row(found) for found in Catalog(folder).all()))


def _row(found: Found) -> ManifestRow:
    ref, file = str(found.ref), str(found.file)
    try:
        manifest = found.load()
    except BadManifest as error:
        return ManifestRow(ref, "", "", "", found.source, file, error.code)
    return ManifestRow(ref, manifest.title, manifest.provider, manifest.models.default, found.source, file)


def show_manifest(ref: ProviderRef, folder: str | None) -> ManifestShown:
    """Find one manifest, and which of its keys are set here. Raises RefNotFound, BadManifest."""
    found = Catalog(folder).find(ref)
    manifest = found.load()
    given = read_secrets(secret_names(manifest.secrets))
    flags = f" --manifests {quote(folder)}" if folder is not None else ""
    return ManifestShown(manifest, str(found.file), found.source, tuple(given), flags)


def inputs_schema(ref: ProviderRef, folder: str | None, names: Sequence[str] = ()) -> SchemaShown:
    """Find the JSON Schema of a provider's inputs, or of those named. Raises RefNotFound, BadManifest, UsageError."""
    schema = Catalog(folder).find(ref).load().inputs
    if names:
        from theoryctl.manifests.parts import schema_of

        schema = schema_of(names, schema)
    return SchemaShown(schema)


def validate_manifests(files: tuple[str, ...], folder: str | None) -> ManifestsValid:
    """Check these files, which refs may name too, or all that can be found. Raises BadManifest with the problems of
    every one of them."""
    catalog = Catalog(folder)
    chosen = [_file_of(file, catalog) for file in files] or [found.file for found in catalog.all()]
    problems = [problem for file in chosen for problem in _problems(file)]
    if problems:
        hint = _of_missing(files, folder) or command("manifest validate", *files).after("fix them")
        raise BadManifest("\n".join(problems), hint=hint)
    return ManifestsValid(tuple(map(str, chosen)))


def _file_of(name: str, catalog: Catalog) -> Path:
    """The file of that name; where there is none, the manifest of a ref, if it is one."""
    if not os.path.lexists(name):
        with suppress(ProviderError):
            return catalog.find(ProviderRef.parse(name)).file
    return Path(name)


def _of_missing(files: tuple[str, ...], folder: str | None) -> str | None:
    """The hint on the first name that is no file and no ref: a ref, or a file, that is called alike."""
    for at, file in enumerate(files):
        if os.path.lexists(file):
            continue
        use = partial(_with_file, files, at)
        try:
            Catalog(folder).find(ProviderRef.parse(file))
        except ProviderError as error:
            if isinstance(error.hint, Hint) and (ref := error.hint.steps[0].params.get("ref")):
                return use(str(ref))
            return path_hint(file, FileNotFoundError(), use)
    return None


def _with_file(files: tuple[str, ...], at: int, path: str) -> Hint:
    return again(f"use {path}", files=(*files[:at], path, *files[at + 1 :]))


def is_own(found: Found) -> bool:
    """Return whether a manifest may be changed: it came with no package, and may be written."""
    return found.source != "bundled" and not found.source.startswith("package ") and os.access(found.file, os.W_OK)


def must_be_own(found: Found) -> None:
    """Raise BadManifest (`ERR_MANIFEST`) for a manifest that came with a package, or is not to be written."""
    if not is_own(found):
        raise BadManifest(f"{found.file} ({found.source}) is not yours to change", hint=_export(found))


def _export(found: Found) -> Hint:
    """The command line that makes a manifest that may be changed, and that is found: not one behind another."""
    if found.source not in ("--manifests", "THEORYCTL_MANIFESTS", "project"):
        return command("manifest export", str(found.ref), to="./manifests")
    folder = found.folder if found.source == "--manifests" else None
    export = command("manifest export", str(found.ref), manifests=folder, to="./mine")
    return export.then(command("image pin", ref=found.ref, manifests="./mine"))


def write_pins(found: Found, pins: Mapping[str, str]) -> None:
    """Set `image.digests` of these platforms in a manifest's file, and leave all else as it is.

    Raises BadManifest (`ERR_MANIFEST`) for a file that cannot be changed, and for pins that no manifest may have.
    """
    from theoryctl.manifests.edit import with_pins

    file = Path(os.path.realpath(found.file))  # a link stays one
    lock = state_dir() / "manifests" / f"{sha256(str(file).encode()).removeprefix('sha256:')[:16]}.lock"
    try:
        with file_lock(lock):
            data = with_pins(read_manifest(file).decode(), pins).encode()
            _must_be_valid(data, found)
            replace_file(file, data, private=False)
    except ValueError as error:
        lines = "; ".join(f"{name}: {digest}" for name, digest in pins.items())
        raise BadManifest(f"{found.file}: {error}", hint=f"write under image.digests: {lines}") from None
    except OSError as error:
        hint = f"ls -l {quote(str(found.file))}"
        raise BadManifest(f"{found.file}: cannot be written: {error.strerror}", hint=hint) from error


def _must_be_valid(data: bytes, found: Found) -> None:
    from theoryctl.manifests.check import check_manifest

    try:
        check_manifest(data, str(found.file), ref=found.ref)
    except BadManifest as error:
        hint = again("pin others alone, with --platform", platform="linux/amd64")
        raise BadManifest(f"what was to be pinned is not for a manifest:\n{error.message}", hint=hint) from None


def export_manifest(ref: ProviderRef, folder: str | None, to: str) -> ManifestExported:
    """Copy a manifest to a folder of the user's own. Raises UsageError where there is one already, BadManifest where it
    cannot be written, and what finding it raises."""
    found = Catalog(folder).find(ref)
    target = Path(to) / ref.file
    if os.path.exists(target):  # also where nobody may look
        raise UsageError(f"{target} already exists", hint="choose another folder with --to")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_file(target, read_manifest(found.file), private=False)
    except OSError as error:
        raise BadManifest(
            f"{target}: cannot be written: {error.strerror}", hint="choose another folder with --to"
        ) from error
    return ManifestExported(str(ref), str(found.file), str(target))


def _problems(file: Path) -> list[str]:
    """Checked afresh, past the cache: whoever asks wants to know it of the file as it is."""
    from theoryctl.manifests.check import check_manifest

    ref, problems = None, []
    try:
        ref = _ref_of(file)
    except BadRef as error:
        problems.append(f"{file}:1:1: expected namespace/name@version.yaml at the end of its path: {error.message}")
    try:
        check_manifest(read_manifest(file), str(file), ref=ref)
    except BadManifest as error:
        problems.append(error.message)
    return problems


def _ref_of(file: Path) -> ProviderRef | None:
    """The ref a file's path promises; None without an '@' in its name, for a file may also be checked elsewhere.

    Raises BadRef when the catalog would pass over it.
    """
    if "@" not in file.name:
        return None
    path = Path(os.path.abspath(file))
    return ProviderRef.parse(f"{path.parent.name}/{path.name}".removesuffix(".yaml"))


def manifest_json_schema() -> SchemaShown:
    """The JSON Schema of manifests."""
    from theoryctl.manifests.check import manifest_schema

    return SchemaShown(manifest_schema())
