"""Views of the results of `theoryctl manifest`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from theoryctl.manifests.model import Image, Manifest, Resources
from theoryctl.results.manifests import (
    ConformanceTested,
    ManifestCreated,
    ManifestExported,
    ManifestList,
    ManifestRow,
    ManifestShown,
    ManifestsValid,
    SchemaShown,
)
from theoryctl.terminal.format import containers, short_digest
from theoryctl.terminal.view import Document, Facts, Lines, Table, Views
from theoryctl_providers.contract import SecretRule

HEADER = ("ref", "title", "provider", "model", "source")


def _list(result: ManifestList) -> Table:
    return Table(HEADER, [_cells(row) for row in result.rows], "no manifests found", folds=True)


def _cells(row: ManifestRow) -> tuple[str, ...]:
    """A manifest's row; a broken one shows its code where its title would be."""
    return (row.ref, row.problem or row.title, row.provider, row.model, row.source)


def _show(result: ManifestShown) -> Facts:
    manifest, image = result.manifest, result.manifest.image
    facts = [
        ("ref", manifest.ref),
        ("title", manifest.title),
        ("about", " ".join(manifest.description.split())),
        ("file", f"{result.file} ({result.source})"),
        ("provider", manifest.provider),
        ("model", f"{manifest.models.default} (default)"),
        ("known", ", ".join(manifest.models.known)),
        *_keys(manifest, result.keys_set),
        *_resources(manifest.resources),
        ("image", image.repository if image else "none"),
        *(_pins(image) if image else ()),
        *_inputs(manifest.inputs),
        ("outputs", ", ".join((manifest.outputs or {}).get("properties", ()))),
        ("example", f"theoryctl local run --ref {manifest.ref}{result.flags} --mode mock"),
    ]
    return Facts([(name, value) for name, value in facts if value])


#: More keys than this are shown only where they are set, or the default model takes them.
_MANY_KEYS = 12


def _keys(manifest: Manifest, given: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """A row for each key: its name, whether it is set, and the models that it is for."""
    if not manifest.secrets:
        yield "keys", "none"
    shown = [secret for secret in manifest.secrets if _is_near(secret, manifest, given)]
    width = max((len(secret.name) for secret in shown), default=0)
    for number, secret in enumerate(shown):
        need = "" if secret.required else ", optional"
        state = f"{_state(secret, given)}{need} ({', '.join(secret.models)})"
        yield "" if number else "keys", f"{secret.name:<{width}}  {state}"
    seen = {models for secret in shown for models in secret.models}
    if others := dict.fromkeys(models for secret in manifest.secrets for models in secret.models if models not in seen):
        yield "others for", f"{', '.join(others)} (--json)"


def _is_near(secret: SecretRule, manifest: Manifest, given: tuple[str, ...]) -> bool:
    if len(manifest.secrets) <= _MANY_KEYS or secret.applies_to(manifest.models.default):
        return True
    return any(name in given for name in secret.names)


def _state(secret: SecretRule, given: tuple[str, ...]) -> str:
    """Say in words if a key is set, and what does as well."""
    found = next((names for names in secret.sets if all(name in given for name in names)), None)
    if found is None:
        return ", or ".join(["not set", *(" and ".join(names) for names in secret.alternatives)])
    return "set" if found == (secret.name,) else f"not needed: {' and '.join(found)} is set"


def _resources(resources: Resources) -> Iterator[tuple[str, str]]:
    limits = f"{resources.cpu:g} CPU, {resources.memory} MiB memory, {resources.pids} processes"
    yield "resources", f"{limits}, {resources.timeout} s per request"
    yield "on Modal", f"{containers(resources)}, {resources.concurrency} requests each"


def _pins(image: Image) -> Iterator[tuple[str, str]]:
    for number, (platform, digest) in enumerate(image.digests.items()):
        yield "" if number else "pinned", f"{platform} {short_digest(digest)}"
    if not image.digests:
        yield "pinned", "for no platform"
    if image.build is not None:
        yield "built from", ", ".join([image.build.context, *image.build.packages])


def _inputs(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    required, known = schema.get("required", ()), schema.get("properties", {})
    yield "inputs", ", ".join(required) or "none is required"
    yield "optional", _first(sorted(name for name in known if name not in required), 12)


def _first(names: Sequence[str], count: int) -> str:
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more (--schema)" if more > 0 else "")


def _valid(result: ManifestsValid) -> Lines:
    return Lines([f"valid {file}" for file in result.files] or ["no manifests found"])


def _schema(result: SchemaShown) -> Document:
    return Document(result.schema)


def _exported(result: ManifestExported) -> Lines:
    return Lines([result.file])


def _created(result: ManifestCreated) -> Lines:
    others = (f"commands that see it use it for {result.ref}, and no longer {result.hidden}",) if result.hidden else ()
    return Lines(result.files, notes=(*others, f"next: {result.next}"))


def _tested(result: ConformanceTested) -> Lines:
    hint = "real mode is checked, and paid for, with the keys in the file that --env-file names"
    return Lines(list(result.report.lines()), notes=() if result.asks_real else (hint,))


VIEWS: Views = {
    ManifestList: _list,
    ManifestShown: _show,
    ManifestsValid: _valid,
    SchemaShown: _schema,
    ManifestExported: _exported,
    ManifestCreated: _created,
    ConformanceTested: _tested,
}
