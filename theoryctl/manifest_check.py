"""A manifest file, checked whole: structure by pydantic, meaning by hand, every problem at its line and column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any

import pydantic

from theoryctl.errors import BadManifest, UsageError
from theoryctl.manifest import MAX_BYTES, ONE_LINE, PARAGRAPH, Manifest
from theoryctl.manifest_yaml import Document, Path, Problem, YAMLProblems, parse
from theoryctl.oci import ImageReference
from theoryctl.refs import FORM, PATTERN, ProviderRef

_adapter = pydantic.TypeAdapter(Manifest)
_META = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
_WORDS = {
    PATTERN: FORM,
    ONE_LINE: "one line without control characters",
    PARAGRAPH: "text without control characters other than newlines",
}


def check_manifest(data: bytes, file: str, *, ref: ProviderRef | None = None) -> Manifest:
    """The manifest in `data`, which came from `file`; with `ref`, it must be the one of that ref.

    Raises BadManifest (`ERR_MANIFEST`) with every problem as `file:line:column: path.to.key: what is wrong; what was
    expected`.
    """
    try:
        document = parse(data, MAX_BYTES)
    except YAMLProblems as error:
        raise _bad(file, error.problems) from None
    manifest, problems = None, [document.problem(path, what) for path, what in _meaning(document.value, ref)]
    try:
        manifest = _adapter.validate_json(json.dumps(document.value))
    except pydantic.ValidationError as error:
        problems += [_problem(document, found) for found in error.errors()]
    # Of a value that could not be read, what it was read as instead says nothing.
    problems = [*document.problems, *(problem for problem in problems if problem.path not in document.unread)]
    if manifest is None or problems:
        raise _bad(file, problems)
    return manifest


@cache
def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of manifests, for editors. Made once; not to be changed."""
    schema = _adapter.json_schema()
    # Patterns of keys come out as patternProperties, which alone lets every other key pass.
    for part in schema["$defs"].values():
        for spec in part["properties"].values():
            if "patternProperties" in spec:
                spec["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "theoryctl manifest"}


def _bad(file: str, problems: list[Problem]) -> BadManifest:
    lines = [f"{file}:{problem}" for problem in sorted(set(problems))]
    return BadManifest("\n".join(lines), hint="mend it, then check it with: theoryctl manifest validate " + file)


def _problem(document: Document, found: Any) -> Problem:
    path: Path = tuple(part for part in found["loc"] if part != "[key]")
    context = found.get("ctx", {})
    match found["type"]:
        case "missing":
            return document.problem(path, f"missing; expected {_expected(path)}")
        case "unexpected_keyword_argument" | "extra_forbidden":
            return document.problem(path, f"unknown key; {_keys_near(path)}")
        case "string_too_short":
            return document.problem(path, "found an empty text; expected one that is not")
        case "string_pattern_mismatch":
            expected = _WORDS.get(context["pattern"], f"text matching {context['pattern']}")
            return document.problem(path, f"found {_cut(repr(found['input']))}; expected {expected}")
        case _:
            expected = found["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            return document.problem(path, f"found {_shown(found['input'])}; expected {expected}")


def _expected(path: Path) -> str:
    """The description a missing key has in the schema."""
    properties = _properties_at(path[:-1])
    return str(properties.get(str(path[-1]), {}).get("description", "a value"))


def _keys_near(path: Path) -> str:
    known = sorted(_properties_at(path[:-1]))
    near = get_close_matches(str(path[-1]), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}"


def _properties_at(path: Path) -> dict[str, Any]:
    """The properties that the schema knows at `path`."""
    schema = manifest_schema()
    node: Any = schema
    for part in path:
        node = _resolve(node, schema)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return dict(_resolve(node, schema).get("properties", {}))


def _resolve(node: Any, schema: dict[str, Any]) -> Any:
    for option in node.get("anyOf", []):
        if "$ref" in option:
            node = option
    name = node.get("$ref", "").rpartition("/")[2]
    return schema["$defs"][name] if name else node


def _shown(value: Any) -> str:
    return _cut(json.dumps(value, ensure_ascii=False))


def _cut(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}…"


def _meaning(value: Any, ref: ProviderRef | None) -> Iterator[tuple[Path, str]]:
    """What the structure alone does not say, of the parts whose structure is right."""
    if not isinstance(value, dict):
        return
    found = value.get("ref")
    if ref is not None and isinstance(found, str) and found != str(ref):
        yield ("ref",), f"found {found!r}; expected {str(ref)!r}, as the file's name says"
    yield from _secrets(value.get("secrets"))
    yield from _models(value.get("models"))
    yield from _repository(value.get("image"))
    yield from _inputs(value.get("inputs"), value.get("example"))


def _repository(image: Any) -> Iterator[tuple[Path, str]]:
    text = image.get("repository") if isinstance(image, dict) else None
    if not isinstance(text, str) or not text:
        return
    try:
        reference = ImageReference.parse(text)
    except UsageError as error:
        yield ("image", "repository"), error.message
        return
    if reference.tag or reference.digest:
        yield ("image", "repository"), f"found {_cut(text)!r}; expected no tag, and digests under image.digests"


def _secrets(secrets: Any) -> Iterator[tuple[Path, str]]:
    seen = set()
    for index, secret in enumerate(secrets if isinstance(secrets, list) else ()):
        name = secret.get("name") if isinstance(secret, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            yield ("secrets", index, "name"), f"{_cut(name)} is declared twice; expected once"
        seen.add(name)


def _models(models: Any) -> Iterator[tuple[Path, str]]:
    default, known = (models.get("default"), models.get("known")) if isinstance(models, dict) else (None, None)
    if isinstance(default, str) and isinstance(known, list) and known and default not in known:
        yield ("models", "default"), f"found {_shown(default)}; expected one of models.known"


def _inputs(schema: Any, example: Any) -> Iterator[tuple[Path, str]]:
    import jsonschema_rs

    if not isinstance(schema, dict):
        return
    wrong = [(misfit.instance_path, misfit.message) for misfit in _validator(_META).iter_errors(schema)]
    if not wrong:
        try:
            validator = _validator(schema)
        except ValueError as error:  # also what the schema of schemas does not see, such as a $ref that leads nowhere
            what = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
            wrong = [(getattr(error, "instance_path", []), what)]
    for path, what in wrong:
        yield ("inputs", *path), f"not a JSON Schema: {_first_line(what)}; expected draft 2020-12"
    if wrong or not isinstance(example, dict):
        return
    for misfit in validator.iter_errors(example):
        what = f"does not fit inputs: {_first_line(misfit.message)}; expected a valid example"
        yield ("example", *misfit.instance_path), what


def _validator(schema: dict[str, Any]) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema, retriever=_no_network)


def _first_line(message: str) -> str:
    return _cut(message.partition("\n")[0], 300)


def _no_network(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside of this file")
