"""The work behind `theoryctl manifest`."""

from __future__ import annotations

import os
from pathlib import Path

from theoryctl.catalog import Catalog, Found
from theoryctl.errors import BadManifest, BadRef
from theoryctl.manifest_cache import read_manifest
from theoryctl.refs import ProviderRef
from theoryctl.results import ManifestList, ManifestRow, ManifestShown, ManifestsValid, SchemaShown


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
    """One manifest with its file. Raises RefNotFound, BadManifest."""
    found = Catalog(folder).find(ref)
    manifest = found.load()
    return ManifestShown(manifest, str(found.file), found.source, read_manifest(found.file).decode("utf-8-sig"))


def validate_manifests(files: tuple[str, ...], folder: str | None) -> ManifestsValid:
    """Check these files, or all that can be found. Raises BadManifest with the problems of every one of them."""
    chosen = [Path(file) for file in files] or [found.file for found in Catalog(folder).all()]
    problems = [problem for file in chosen for problem in _problems(file)]
    if problems:
        first = files[0] if files else ""
        raise BadManifest("\n".join(problems), hint=f"mend them, then: theoryctl manifest validate {first}".rstrip())
    return ManifestsValid(tuple(map(str, chosen)))


def _problems(file: Path) -> list[str]:
    """Checked afresh, past the cache: whoever asks wants to know it of the file as it is."""
    from theoryctl.manifest_check import check_manifest

    ref, problems = None, []
    try:
        ref = _ref_of(file)
    except BadRef as error:
        problems.append(f"{file}:1:1: its path says no ref: {error.message}; expected namespace/name@version.yaml")
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
    from theoryctl.manifest_check import manifest_schema

    return SchemaShown(manifest_schema())
