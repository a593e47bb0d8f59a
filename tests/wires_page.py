"""The table of docs/wires.md: the paths that the router has for each API, the keys that it takes, and its variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from theoryctl_providers.contract import ProviderConfig, ServerConfig
from theoryctl_providers.contract.clients import CLIENTS
from theoryctl_providers.server.app import DIALECTS
from theoryctl_providers.wires.dialect import AnyCredential, Credential, HeaderCredential

Table = Callable[[Sequence[str], Iterable[Sequence[str]]], str]

HEADER = ("API", "paths", "key", "variables of `local env`")
#: Of each API: the section on it, the beginnings of its paths, and the variables of its keys.
APIS = {
    "OpenAI": ("openai.md", ("/v1/",), ("OPENAI_API_KEY",)),
    "Anthropic": ("#anthropic", ("/v1/", "/"), ("ANTHROPIC_API_KEY",)),
    "Ollama": ("#ollama", ("/api/",), ("OLLAMA_API_KEY",)),
    "Azure": ("#azure", ("/openai/deployments/NAME/", "/openai/v1/", "/openai/"), ("AZURE_OPENAI_API_KEY",)),
    "Gemini": ("#gemini", ("/v1beta/", "/v1alpha/", "/v1/"), ("GEMINI_API_KEY", "GOOGLE_API_KEY")),
}
_NAMED = {"model": "NAME", "deployment": "NAME"}


def wires_page(page: Path, table: Table) -> str:
    """Return the page with its table written anew."""
    text = page.read_text(encoding="utf-8")
    before, start, rest = text.partition(f"| {HEADER[0]} | {HEADER[1]} |")
    assert start, "the page has no table of APIs"
    return before + table(HEADER, _rows()) + "\n\n" + rest.partition("\n\n")[2]


def paths_of_apis() -> dict[str, list[str]]:
    """Return the paths of each API, with a word in capitals for each part that is free."""
    config = ServerConfig(provider=ProviderConfig(provider="litellm"), token="x" * 32)
    return {dialect.name: _paths(dialect.routes) for dialect in (each(config) for each in DIALECTS)}


def _rows() -> Iterator[tuple[str, ...]]:
    paths = paths_of_apis()
    keys = {each.name: each.credential for each in DIALECTS}  # type: ignore[attr-defined]
    alike = _endings(paths["OpenAI"], APIS["OpenAI"][1])["/v1/"]
    for name, (section, roots, variables) in APIS.items():
        groups = _groups(_endings(paths[name], roots), None if name == "OpenAI" else alike)
        told = [variable for key in variables for variable in (*CLIENTS[key], key)]
        *others, last = (f"`{place}`" for place in _places(keys[name]))
        key = f"{', '.join(others)} or {last}" if others else last
        yield f"[{name}]({section})", "; ".join(groups), key, ", ".join(f"`{each}`" for each in dict.fromkeys(told))


def _paths(routes: Mapping[tuple[str, str], object]) -> list[str]:
    plain = (re.sub(r"\{(\w+)\}", lambda found: _NAMED.get(found[1], "ID"), path) for _, path in routes)
    return list(dict.fromkeys(plain))


def _endings(paths: Sequence[str], roots: Sequence[str]) -> dict[str, list[str]]:
    """The paths below each root, without it. Raises ValueError for a path that is below none."""
    found: dict[str, list[str]] = {root: [] for root in roots}
    for path in paths:
        root = max((root for root in roots if path.startswith(root)), key=len)
        found[root].append(path.removeprefix(root))
    return found


def _groups(endings: Mapping[str, list[str]], alike: list[str] | None) -> Iterator[str]:
    """The paths, those of roots that have the same together."""
    roots: dict[tuple[str, ...], list[str]] = {}
    for root, below in endings.items():
        roots.setdefault(tuple(below), []).append(root)
    for group, same in roots.items():
        named = "all of OpenAI's" if list(group) == alike else ", ".join(f"`{ending}`" for ending in group)
        yield f"below {' and '.join(f'`{root}`' for root in same)}: {named}"


def _places(credential: Credential) -> Iterator[str]:
    """The places of a key, as people write them."""
    if isinstance(credential, AnyCredential):
        for place in credential.places:
            yield from _places(place)
    elif isinstance(credential, HeaderCredential):
        yield "Authorization: Bearer" if credential.scheme else credential.header.decode()
    else:
        yield "?key="
