"""The work behind `theoryctl models`: the vendors known here, and LiteLLM's table of models, read as a file."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theoryctl.actions.vendors import is_ready, vendors
from theoryctl.batch.prices import source, table_file
from theoryctl.paths import cache_dir, write_private
from theoryctl.results.models import ModelList, ModelRow, VendorRow
from theoryctl_providers.contract import install_command

if TYPE_CHECKING:
    from theoryctl.actions.vendors import Vendor

#: The kinds in LiteLLM's table that a provider here can be asked for.
_KINDS = {"chat": "chat", "responses": "chat", "embedding": "embedding"}
#: LiteLLM's names for parts of a vendor.
_PARTS = {"bedrock_converse": "bedrock"}


def list_models(words: tuple[str, ...]) -> ModelList:
    """List the vendors, and the models that all `words` fit: a vendor, a kind (`chat`, `embedding`), or a part of the
    name."""
    file = table_file()
    rows = list(_rows(file)) if file else list(_of_manifests())
    counts = Counter(row.model.partition("/")[0] for row in rows)
    listed = tuple(_vendor(vendor, sum(counts[prefix] for prefix in vendor.prefixes)) for vendor in vendors())
    chosen = tuple(row for row in rows if all(_has(row, word.lower()) for word in words))
    near = () if chosen else _near(words, rows)
    release, install = (source(), None) if file else (None, install_command("litellm"))
    return ModelList(listed, chosen, words, release, install, near)


def _near(words: tuple[str, ...], rows: list[ModelRow]) -> tuple[str, ...]:
    """The words with those that nothing fits replaced by parts of names that are much like them; none where a word is
    like no part."""
    from difflib import get_close_matches

    parts = {part for row in rows for part in re.split(r"[/:.@-]", row.model) if not part.isdigit()}
    found = [
        word if any(_has(row, word.lower()) for row in rows) else "".join(get_close_matches(word.lower(), parts, n=1))
        for word in words
    ]
    return tuple(found) if all(found) and tuple(found) != words else ()


def names() -> list[str]:
    """The names of all models, kept from the last time: reading the table would cost a completion a quarter more."""
    file = table_file()
    if file is None:
        return [row.model for row in _of_manifests()]
    seen = file.stat()
    kept = cache_dir() / "models" / f"{seen.st_mtime_ns}-{seen.st_size}.txt"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return kept.read_text(encoding="utf-8").splitlines()
    found = [row.model for row in _rows(file)]
    with contextlib.suppress(OSError):
        write_private(kept, "\n".join(found).encode())
    return found


def _rows(file: Path) -> Iterator[ModelRow]:
    """The models of the vendors that are known here, sorted by name."""
    owners = {prefix: vendor for vendor in vendors() for prefix in vendor.prefixes}
    found = {}
    for name, facts in json.loads(file.read_bytes()).items():
        kind, owner = _KINDS.get(facts.get("mode")), _owner(facts, owners)
        if kind and owner:
            full = name if name.partition("/")[0] in owner.prefixes else f"{owner.name}/{name}"
            found[full] = _row(full, kind, facts)
    yield from (found[name] for name in sorted(found))


def _owner(facts: Mapping[str, Any], owners: Mapping[str, Vendor]) -> Vendor | None:
    """The vendor of an entry: LiteLLM calls some parts of one `vertex_ai-…`."""
    name = str(facts.get("litellm_provider"))
    return owners.get(name) or owners.get(_PARTS.get(name) or name.partition("-")[0])


def _row(name: str, kind: str, facts: Mapping[str, Any]) -> ModelRow:
    limits = (facts.get("max_input_tokens") or facts.get("max_tokens"), facts.get("max_output_tokens"))
    prices = (facts.get("input_cost_per_token"), facts.get("output_cost_per_token"))
    return ModelRow(name, kind, *map(_number, limits), *map(_number, prices))


def _number(value: Any) -> Any:
    return value if isinstance(value, (int, float)) else None


def _of_manifests() -> Iterator[ModelRow]:
    """The models that manifests name."""
    from theoryctl.manifests.catalog import Catalog
    from theoryctl_providers.contract import ProviderError

    found = set()
    for each in Catalog().all():
        with contextlib.suppress(ProviderError):
            models = each.load().models
            found |= {models.default, *models.known}
    yield from (ModelRow(name) for name in sorted(found))


def _vendor(vendor: Vendor, models: int) -> VendorRow:
    needs = tuple(_in_words(sets) for sets in vendor.needs)
    return VendorRow(vendor.name, vendor.title, needs, is_ready(vendor), vendor.documentation, models)


def _in_words(sets: tuple[tuple[str, ...], ...]) -> str:
    return " or ".join(" and ".join(names) for names in sets)


def _has(row: ModelRow, word: str) -> bool:
    """Return whether a word is the model's vendor, its kind, or a part of its name."""
    owner = next((each for each in vendors() if word in each.prefixes), None)
    if owner:
        return row.model.partition("/")[0] in owner.prefixes
    return word == row.kind or word in row.model.lower()
