"""Views of the results of `theoryctl image`."""

from __future__ import annotations

from theoryctl.results.images import ImageBuilt, ImagePinned, ImagePublished, ImagePushed, ImageResolved, ImageVerified
from theoryctl.terminal.format import paired, size_words
from theoryctl.terminal.view import Lines, Table, View, Views


def _resolved(result: ImageResolved) -> View:
    if result.chosen is not None:
        return Lines([f"{result.repository}@{result.platforms[0][1]}"])
    return Table(("platform", "digest"), result.platforms, "no platform")


def _built(result: ImageBuilt) -> Lines:
    pairs = [
        ("image", result.tag + ("" if result.built else " (up to date)")),
        ("id", result.image_id),
        ("platform", result.platform),
        ("base", result.base),
        ("size", f"{size_words(result.size)} in {result.layers} layers"),
    ]
    return Lines(paired(pairs))


def _pushed(result: ImagePushed) -> Lines:
    return Lines([result.reference])


def _published(result: ImagePublished) -> Lines:
    said = "pinned" if result.changed else "pinned already"
    return Lines([result.reference], notes=(f"{said} for {result.platform} in {result.file}",))


def _pinned(result: ImagePinned) -> Lines:
    said = "pinned" if result.changed else "pinned already"
    return Lines([f"{said} {platform} {digest}" for platform, digest in result.platforms])


def _verified(result: ImageVerified) -> Table:
    rows = [(where, digest or "-") for where, digest in result.rows]
    return Table(("where", "digest"), rows, "nothing has a digest")


VIEWS: Views = {
    ImageResolved: _resolved,
    ImageBuilt: _built,
    ImagePushed: _pushed,
    ImagePublished: _published,
    ImagePinned: _pinned,
    ImageVerified: _verified,
}
