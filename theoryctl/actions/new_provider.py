"""A new provider of one's own: a manifest, and beside the manifests folder a project with a class and its test."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from string import Template

from theoryctl.errors import BadManifest, RefNotFound, UsageError
from theoryctl.manifests.catalog import Catalog, beside
from theoryctl.refs import ProviderRef
from theoryctl.results.manifests import ManifestCreated

_MANIFEST = Template("""\
ref: $ref
title: "$title"
description: What it does, for people.
provider: $package:$provider
models:
  default: $model
secrets:
  - name: $key
    description: A key of the vendor's, and where to get one.
image:
  repository: ghcr.io/$repository
  build:
    context: providers
    packages: [$package]
resources:
  cpu: 0.5
  memory: 256
  timeout: 60
inputs:
  $$schema: https://json-schema.org/draft/2020-12/schema
  type: object
  required: [messages]
  additionalProperties: false
  properties:
    mode: {enum: [mock, real]}
    model: {type: string, minLength: 1}
    max_tokens: {type: integer, minimum: 1}
    messages:
      type: array
      minItems: 1
      items:
        type: object
        required: [role, content]
        additionalProperties: false
        properties:
          role: {enum: [system, user, assistant]}
          content: {type: string}
example:
  messages:
    - {role: user, content: Say hello in one word.}
""")

_PYPROJECT = Template("""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
requires-python = ">=3.11"

[tool.hatch.build.targets.wheel]
packages = ["src/$package"]

[tool.pytest.ini_options]
pythonpath = ["src"]
""")

_PROVIDER = Template('''\
"""The provider of $ref."""

from collections.abc import AsyncIterator

from theoryctl_providers import Event, LLMProvider, ProviderError, ResolvedRequest, is_mock, mocked


class $provider(LLMProvider):
    """In mock mode it answers from the inputs alone; in real mode it calls the vendor."""

    default_model = "$model"
    suspends_in_mock = False

    def stream(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        return mocked(request) if is_mock(request.mode) else self.ask(request)

    async def ask(self, request: ResolvedRequest) -> AsyncIterator[Event]:
        """Call the vendor with `request.inputs` and `request.config.secrets["$key"]`.

        Yield a `Delta` for each piece of text, then `Usage` and `Finish`; raise ProviderError for what goes wrong.
        """
        hint = "write the vendor's call into $provider.ask, in $package/src/$package/__init__.py"
        raise ProviderError("ERR_PROVIDER", "real mode is not written yet", hint=hint)
        yield  # a generator, as the real one will be
''')

_TEST = Template('''\
"""Tests of $ref. Run: python -m pip install pytest && python -m pytest $package"""

from collections.abc import Mapping

from theoryctl_providers import run
from theoryctl_providers.conformance import assert_conforms

INPUTS = {"model": "model-1", "messages": [{"role": "user", "content": "Say hello in one word."}]}


def test_it_keeps_the_rules_for_providers() -> None:
    # For real mode too: vendor={"$key": …}, or what starts a server and gives such variables.
    assert_conforms("$package:$provider", INPUTS)


def test_other_inputs_give_another_answer() -> None:
    other = {**INPUTS, "messages": [{"role": "user", "content": "Say goodbye in one word."}]}
    assert answer(INPUTS) != answer(other)


def answer(inputs: Mapping[str, object]) -> str:
    envelope = run(inputs, provider="$package:$provider", mode="mock")
    return next(output.get("text", "") for output in envelope["outputs"] if output["name"] == "answer")
''')


def new_provider(ref: ProviderRef, to: str) -> ManifestCreated:
    """Write a provider that works in mock mode at once: its manifest below the folder `to`, its project beside that.

    Raises UsageError where a file of it, or a package of its name, is there already, BadManifest where one cannot be
    written. All of it is written or nothing.
    """
    if not to:
        raise UsageError("--to '' names no folder", hint="leave it out for ./manifests")
    manifests, package = Path(to), _package(ref)
    project = _as_told(beside(manifests), manifests) / package
    files = {manifests / ref.file: _MANIFEST, project / "pyproject.toml": _PYPROJECT}
    files[project / "src" / package / "__init__.py"] = _PROVIDER
    files[project / "tests" / f"test_{package}.py"] = _TEST
    _must_be_free(ref, package, [manifests / ref.file, project])
    hidden, words = _hidden(ref), _words(ref, package)
    _write({path: template.substitute(words) for path, template in files.items()})
    flag = "" if manifests == Path("manifests") else f" --manifests {quote(to)}"
    run = f"theoryctl local run --ref {ref} --mode mock{flag}"
    return ManifestCreated(str(ref), tuple(map(str, files)), run, hidden)


def _hidden(ref: ProviderRef) -> str | None:
    """Return the manifest of that ref which counted so far, with the reason; None where there was none."""
    try:
        found = Catalog().find(ref)
    except RefNotFound:
        return None
    return f"{found.file} ({found.source})"


def _as_told(folder: Path, other: Path) -> Path:
    """A folder, relative to where we are if `other` is."""
    return folder if other.is_absolute() else Path(os.path.relpath(folder))


def _package(ref: ProviderRef) -> str:
    """A Python name for it; later versions have theirs in it, so that they can stand side by side."""
    name = re.sub(r"\W", "_", f"{ref.namespace}_{ref.name}", flags=re.ASCII)
    name = _identifier(name)
    return name if ref.version == 1 else f"{name}_{ref.version}"


def _words(ref: ProviderRef, package: str) -> dict[str, str]:
    namespace, name = (re.findall("[a-z0-9]+", part) for part in (ref.namespace, ref.name))
    return {
        "ref": str(ref),
        "title": " ".join(name).capitalize(),
        "model": f"{'-'.join(namespace)}/model-1",
        "repository": f"{'-'.join(namespace)}/{'-'.join(name)}",
        "package": package,
        "distribution": package.strip("_").replace("_", "-"),
        "provider": _identifier("".join(map(str.capitalize, [*name, "Provider"]))),
        "key": _identifier("_".join([*namespace, "api_key"]).upper()),
    }


def _identifier(name: str) -> str:
    return f"_{name}" if name[0].isdigit() else name


def _must_be_free(ref: ProviderRef, package: str, places: list[Path]) -> None:
    for place in places:
        if os.path.exists(place):  # also where nobody may look
            raise UsageError(f"{place} already exists", hint="choose another ref, or another folder with --to")
    if find_spec(package) is not None:
        raise UsageError(f"{ref}: a package {package} is installed already", hint="choose another ref")


def _write(files: Mapping[Path, str]) -> None:
    """Write them all; where one cannot be written, none stays, nor a folder that was made for it."""
    made: list[Path] = []
    try:
        for path, text in files.items():
            for folder in reversed(path.parents):
                if not folder.exists():
                    folder.mkdir()
                    made.append(folder)
            made.append(path)
            path.write_text(text, encoding="utf-8")
    except BaseException as error:
        for path in reversed(made):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            message = f"{error.filename}: cannot be written: {error.strerror}"
            raise BadManifest(message, hint="choose another folder with --to") from error
        raise
