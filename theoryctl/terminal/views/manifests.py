"""Views of the results of `theoryctl manifest`."""

from __future__ import annotations

from theoryctl.results.manifests import (
    ManifestCreated,
    ManifestExported,
    ManifestList,
    ManifestRow,
    ManifestShown,
    ManifestsValid,
    SchemaShown,
)
from theoryctl.terminal.view import Document, Lines, Table, Views

HEADER = ("ref", "title", "provider", "model", "source")


def _list(result: ManifestList) -> Table:
    return Table(HEADER, [_cells(row) for row in result.rows], "no manifests found", folds=True)


def _cells(row: ManifestRow) -> tuple[str, ...]:
    """A manifest's row; a broken one shows its code where its title would be."""
    return (row.ref, row.problem or row.title, row.provider, row.model, row.source)


def _show(result: ManifestShown) -> Lines:
    return Lines([result.text.rstrip()], notes=(f"{result.file} ({result.source})",))


def _valid(result: ManifestsValid) -> Lines:
    return Lines([f"valid {file}" for file in result.files] or ["no manifests found"])


def _schema(result: SchemaShown) -> Document:
    return Document(result.schema)


def _exported(result: ManifestExported) -> Lines:
    return Lines([result.file])


def _created(result: ManifestCreated) -> Lines:
    return Lines(result.files, notes=(f"next: {result.next}",))


VIEWS: Views = {
    ManifestList: _list,
    ManifestShown: _show,
    ManifestsValid: _valid,
    SchemaShown: _schema,
    ManifestExported: _exported,
    ManifestCreated: _created,
}
