"""A manifest file, checked whole: structure by pydantic, meaning by hand, every problem at its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from theoryctl.errors import BadManifest, UsageError
from theoryctl.hints import command
from theoryctl.manifests import scaling
from theoryctl.manifests.model import MAX_BYTES, PARAGRAPH, PROVIDER, REGION, Manifest, Resources
from theoryctl.refs import FORM, PATTERN, ProviderRef
from theoryctl.registry.reference import ImageReference
from theoryctl_providers.authored.model_check import ModelCheck, cut, in_file, readable, shown
from theoryctl_providers.authored.yaml_document import Path, Problem, YAMLProblems, parse
from theoryctl_providers.contract import ONE_LINE
from theoryctl_providers.contract.json_text import named_path

_META = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
_WORDS = {
    PATTERN: FORM,
    ONE_LINE: "one line without control characters",
    PROVIDER: "a built-in name, an entry point, or package.module:Class",
    REGION: "a region of Modal's, such as us or eu-west",
    PARAGRAPH: "text without control characters other than newlines",
}
#: Keys of a JSON Schema below which any JSON may stand.
_VALUES = frozenset(("const", "default", "enum", "examples"))
_check = ModelCheck(Manifest, "theoryctl manifest", _WORDS)


def check_manifest(data: bytes, file: str, *, ref: ProviderRef | None = None) -> Manifest:
    """The manifest in `data`, which came from `file`; with `ref`, it must be the one of that ref.

    Raises BadManifest (`ERR_MANIFEST`) with every problem as `file:line:column: path.to.key: expected …,
    got …`.
    """
    try:
        document = parse(data, MAX_BYTES)
    except YAMLProblems as error:
        raise _bad(file, error.problems) from None
    manifest, problems = _check.read(document)
    problems += [document.problem(path, what) for path, what in _meaning(document.value, ref)]
    problems += [document.ambiguous(path) for path in document.surprises if _is_free(path)]
    problems = readable(document, problems)
    if manifest is None or problems:
        raise _bad(file, problems)
    return manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of manifests, for editors. Made once; not to be changed."""
    return _check.schema


def _bad(file: str, problems: list[Problem]) -> BadManifest:
    hint = command("manifest validate", file).after("fix it")
    return BadManifest(in_file(file, problems), hint=hint)


def _meaning(value: Any, ref: ProviderRef | None) -> Iterator[tuple[Path, str]]:
    """Check the meaning of the parts whose structure is right."""
    if not isinstance(value, dict):
        return
    found = value.get("ref")
    if ref is not None and isinstance(found, str) and found != str(ref):
        yield ("ref",), f"expected {str(ref)!r}, as the file's name says, got {found!r}"
    yield from _secrets(value.get("secrets"))
    yield from _models(value.get("models"))
    yield from _repository(value.get("image"))
    yield from scaling.misfits(value.get("resources"), Resources().max_containers)
    yield from _inputs(value.get("inputs"), value.get("example"))
    yield from _schema("outputs", value.get("outputs"))


def _is_free(path: Path) -> bool:
    """Return whether any JSON may stand at a path: there YAML's own reading would go unseen."""
    return path[:1] == ("example",) or (path[:1] in (("inputs",), ("outputs",)) and not _VALUES.isdisjoint(path))


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
        yield ("image", "repository"), f"expected no tag, and digests under image.digests, got {cut(text)!r}"


def _secrets(secrets: Any) -> Iterator[tuple[Path, str]]:
    seen = set()
    for path, name in _secret_names(secrets):
        if name in seen:
            yield path, f"expected each name once, got {cut(name)} twice"
        seen.add(name)


def _secret_names(secrets: Any) -> Iterator[tuple[Path, str]]:
    """Each variable that secrets name, an alternative too, and where it stands."""
    for index, secret in enumerate(secrets if isinstance(secrets, list) else ()):
        if isinstance(secret, dict):
            sets = secret.get("alternatives")
            names: list[tuple[Path, Any]] = [(("name",), secret.get("name"))]
            for row, names_of_set in enumerate(sets if isinstance(sets, list) else ()):
                of_set = names_of_set if isinstance(names_of_set, list) else ()
                names += [(("alternatives", row, column), name) for column, name in enumerate(of_set)]
            yield from ((("secrets", index, *at), name) for at, name in names if isinstance(name, str))


def _models(models: Any) -> Iterator[tuple[Path, str]]:
    default, known = (models.get("default"), models.get("known")) if isinstance(models, dict) else (None, None)
    if isinstance(default, str) and isinstance(known, list) and known and default not in known:
        yield ("models", "default"), f"expected one of models.known, got {shown(default)}"


def _inputs(schema: Any, example: Any) -> Iterator[tuple[Path, str]]:
    wrong = list(_schema("inputs", schema))
    yield from wrong
    if wrong or not isinstance(schema, dict) or not isinstance(example, dict):
        return
    for misfit in _validator(schema).iter_errors(example):
        what = f"expected an example that fits inputs, got one that does not: {_first_line(misfit.message)}"
        yield ("example", *named_path(example, misfit.instance_path)), what


def _schema(name: str, schema: Any) -> Iterator[tuple[Path, str]]:
    """The problems of a JSON Schema that stands under a name."""
    import jsonschema_rs

    if not isinstance(schema, dict):
        return
    wrong = [(misfit.instance_path, misfit.message) for misfit in _validator(_META).iter_errors(schema)]
    if not wrong:
        try:
            _validator(schema)
        except ValueError as error:  # also what the schema of schemas does not see, such as a $ref that leads nowhere
            what = error.message if isinstance(error, jsonschema_rs.ValidationError) else str(error)
            wrong = [(getattr(error, "instance_path", []), what)]
    for path, what in wrong:
        yield (name, *named_path(schema, path)), f"expected a JSON Schema of draft 2020-12, got: {_first_line(what)}"


def _validator(schema: dict[str, Any]) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(schema, retriever=_no_network)


def _first_line(message: str) -> str:
    return cut(message.partition("\n")[0], 300)


def _no_network(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside of this file")
