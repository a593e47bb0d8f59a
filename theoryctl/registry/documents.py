"""Check a registry's documents before anything is read from them (OCI image-spec v1.1: `manifest.md`,
`image-index.md`, `config.md`). They come from elsewhere, so every part that is used is checked."""

from __future__ import annotations

from typing import Any

#: No registry serves anything by another kind of digest, and no manifest could pin it.
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_NAME = {"type": "string", "minLength": 1}
_PLATFORM = {"os": _NAME, "architecture": _NAME, "variant": {"type": "string"}}
_ENTRY = {
    "type": "object",
    "required": ["digest"],
    "properties": {"digest": _DIGEST, "platform": {"type": ["object", "null"], "properties": _PLATFORM}},
}

IMAGE = {
    "required": ["config"],
    "properties": {"config": {"type": "object", "required": ["digest"], "properties": {"digest": _DIGEST}}},
}
INDEX = {"required": ["manifests"], "properties": {"manifests": {"type": "array", "items": _ENTRY}}}
CONFIG = {"required": ["os", "architecture"], "properties": _PLATFORM}

#: Characters of a complaint, which may quote what it complains of.
_LONGEST = 200


def misfit(document: dict[str, Any], schema: dict[str, Any]) -> str | None:
    """The first thing about a document that is not as it must be, and where; None where all is well."""
    import jsonschema_rs

    try:
        found = next(iter(jsonschema_rs.Draft202012Validator(schema).iter_errors(document)), None)
    except ValueError as error:  # half a character, say, or nesting without end
        return str(error)[:_LONGEST]
    if found is None:
        return None
    place = ".".join(map(str, found.instance_path))
    return f"{place}: {found.message}"[:_LONGEST] if place else found.message[:_LONGEST]
