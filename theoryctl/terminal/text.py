"""Results in words: what `ui.py` prints, as plain text."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from shlex import quote
from typing import Any, NamedTuple

from theoryctl.images.resolve import ImageResolved
from theoryctl.results.images import ImageBuilt, ImagePinned, ImagePushed, ImageVerified
from theoryctl.results.instances import (
    EnvShown,
    InstanceRow,
    InstancesShown,
    RecordingsWritten,
    Started,
    Stopped,
    UrlShown,
)
from theoryctl.results.manifests import ManifestCreated, ManifestExported, ManifestList, ManifestRow, ManifestsValid
from theoryctl.results.modal import DeploymentsShown
from theoryctl.results.result import Result
from theoryctl.terminal import modal_text
from theoryctl.terminal.format import paired, short_digest, time_words
from theoryctl_providers.contract import Envelope, OutputDocument, UsageDocument, dumps

#: C0 but for line feed and tab, DEL and C1 (ECMA-48): what a terminal would obey instead of showing it.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_JSON_CONTROLS = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


def printable(text: str) -> str:
    r"""Text that a terminal only shows: control characters as their escapes (`\x1b`), line ends of Windows as ours."""
    return text.replace("\r\n", "\n").translate(_CONTROLS)


def json_text(value: Any, *, plain: bool, indent: int | None = None) -> str:
    r"""A value as JSON. Unless it is `plain`, a terminal only shows it: DEL and C1, which JSON allows, as `\u009b`."""
    text = dumps(value, indent=indent)
    return text if plain else text.translate(_JSON_CONTROLS)


def printable_cell(text: str) -> str:
    """A table's cell: `printable`, and on one line, without the tab that sets cells apart."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def run_summary(envelope: Envelope) -> Iterator[str]:
    """What people want to know of a run besides its answer: status, usage, cost, time, attachments."""
    took = f"{envelope['meta']['duration_ms']} ms"
    facts = [envelope["status"], *usage_words(envelope["usage"]), took]
    yield " · ".join(facts)
    for attachment in envelope["meta"]["attachments"]:
        digest = attachment["digest"][:19]
        yield f"attached {attachment['name']}: {attachment['media_type']}, {size_words(attachment['size'])}, {digest}…"
    if any(
        output["name"].startswith("finish_reason") and output.get("text") == "length" for output in envelope["outputs"]
    ):
        yield "the answer was cut at its token limit: raise max_completion_tokens for more"


def usage_words(usage: UsageDocument) -> Iterator[str]:
    """`12 tokens in, 9 out` and `$0.000123`, as far as they are known."""
    if usage["input_tokens"] is not None:
        yield f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
    if usage["cost_usd"] is not None:
        yield f"${usage['cost_usd']:.6f}".rstrip("0").rstrip(".") if usage["cost_usd"] else "$0"


def size_words(size: int) -> str:
    """Bytes in the largest decimal unit that leaves at least 1."""
    amount, units = float(size), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"


def by_choice(output: OutputDocument) -> tuple[int, str]:
    """A sort key that keeps the outputs of one choice together: `answer.10` comes after `answer.2`."""
    name, _, choice = output["name"].partition(".")
    return int(choice) if choice.isdigit() else 0, name


def shown_outputs(envelope: Envelope, *, streamed: bool) -> Iterator[OutputDocument]:
    """The outputs that people get, choice by choice; of a `streamed` run without the answer, which they have."""
    for output in sorted(envelope["outputs"], key=by_choice):
        name = output["name"]
        if name.partition(".")[0] != "finish_reason" and not (streamed and name == "answer"):
            yield output


def tool_call_line(call: dict[str, Any], *, plain: bool) -> str:
    """One tool call on one line: its name, then its arguments as JSON; `plain` as in `json_text`."""
    return f"{call['name']} {json_text(call['arguments'], plain=plain)}"


def heading(name: str) -> Iterator[str]:
    """The line above an output of another choice than the first: `answer.1` belongs to choice 2."""
    choice = name.partition(".")[2]
    if choice:
        yield f"\n--- choice {int(choice) + 1} ---" if choice.isdigit() else f"\n--- {name} ---"


def cells(row: ManifestRow) -> tuple[str, ...]:
    """A manifest's line in the table; a broken one shows its code where its title would be."""
    return (row.ref, row.problem or row.title, row.provider, row.model, row.source)


class Table(NamedTuple):
    """A result that is shown as a table: its header, its rows, what is said when there are none, and whether its cells
    may be broken into lines where the terminal is narrow."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str
    folds: bool


Tabular = ManifestList | InstancesShown | ImageResolved | ImageVerified | DeploymentsShown


def table_of(result: Tabular) -> Table:
    """The table that shows a result."""
    if isinstance(result, DeploymentsShown):
        rows = [modal_text.cells(row) for row in result.rows]
        return Table(
            modal_text.HEADER,
            rows,
            f"{result.ref or 'nothing'} is {'not ' if result.ref else ''}deployed in {result.environment}",
            folds=False,
        )
    if isinstance(result, ImageVerified):
        rows = [(where, digest or "-") for where, digest in result.rows]
        return Table(("where", "digest"), rows, "nothing has a digest", folds=False)
    if isinstance(result, ImageResolved):
        return Table(("platform", "digest"), list(result.platforms), "no platform", folds=False)
    if isinstance(result, ManifestList):
        return Table(MANIFEST_HEADER, [cells(row) for row in result.rows], "no manifests found", folds=True)
    return Table(INSTANCE_HEADER, [instance_cells(row) for row in result.rows], "nothing is started", folds=False)


MANIFEST_HEADER = ("ref", "title", "provider", "model", "source")
INSTANCE_HEADER = ("ref", "runtime", "state", "health", "digest", "drift", "url", "uptime", "cpu", "memory")


def instance_cells(row: InstanceRow) -> tuple[str, ...]:
    """An instance's line in the table of `status`."""
    instance, state = row.instance, row.state
    return (
        instance.ref,
        instance.runtime,
        state.name,
        "healthy" if state.healthy else "unhealthy",
        short_digest(instance.digest),
        row.drift or "-",
        instance.url or "-",
        time_words(time.time() - instance.started_at) if state.name == "running" else "-",
        "-" if state.cpu_percent is None else f"{state.cpu_percent:.0f} %",
        "-" if state.memory_bytes is None else size_words(state.memory_bytes),
    )


def lines_of(result: Result) -> list[str]:
    """A result that is shown as plain lines. Raises KeyError for one that is shown otherwise."""
    return _LINES[type(result)](result)


def _stopped_lines(result: Stopped) -> list[str]:
    lines = [f"{'stopped' if alive else 'was dead'} {x.ref} ({x.runtime})" for x, alive in result.instances]
    return lines or ["nothing was started"]


def _pinned_lines(result: ImagePinned) -> list[str]:
    said = "pinned" if result.changed else "pinned already"
    return [f"{said} {platform} {digest}" for platform, digest in result.platforms]


def _exports(result: EnvShown) -> list[str]:
    return [f"export {name}={quote(value)}" for name, value in result.variables.items()]


#: How each result that is plain lines becomes them.
_LINES: dict[type[Any], Callable[[Any], list[str]]] = {
    ManifestsValid: lambda result: [f"valid {file}" for file in result.files] or ["no manifests found"],
    ManifestCreated: lambda result: list(result.files),
    ManifestExported: lambda result: [result.file],
    Started: lambda result: list(paired(_started_pairs(result))),
    Stopped: _stopped_lines,
    RecordingsWritten: lambda result: list(result.files) or ["nothing was recorded since the last time"],
    UrlShown: lambda result: [result.url],
    EnvShown: _exports,
    ImageBuilt: lambda result: list(paired(_built_pairs(result))),
    ImagePushed: lambda result: [result.reference],
    ImagePinned: _pinned_lines,
}


def _built_pairs(result: ImageBuilt) -> list[tuple[str, str]]:
    return [
        ("image", result.tag + ("" if result.built else " (up to date)")),
        ("id", result.image_id),
        ("platform", result.platform),
        ("base", result.base),
        ("size", f"{size_words(result.size)} in {result.layers} layers"),
    ]


def _started_pairs(result: Started) -> list[tuple[str, str]]:
    instance = result.instance
    pairs = [
        ("ref", instance.ref),
        ("runtime", instance.runtime + (" (was running already)" if result.already_running else "")),
        ("mode", instance.mode),
        ("url", instance.url),
        ("container", instance.container and instance.container[:12]),
        ("pid", instance.pid and str(instance.pid)),
        ("image", instance.image and instance.image + ("" if "@" in instance.image else " (built here, not pinned)")),
        ("digest", instance.digest),
        ("record", instance.record),
    ]
    shown = [(name, value) for name, value in pairs if value]
    if instance.secrets_absent:
        shown.append(("absent", f"{', '.join(instance.secrets_absent)} (mock mode works without)"))
    return shown


def json_line(line: str, *, plain: bool) -> str:
    """A log line as one JSON object: as it is when it is one, else as its `message`; `plain` as in `json_text`."""
    try:
        if isinstance(json.loads(line), dict):
            return line if plain else line.translate(_JSON_CONTROLS)
    except ValueError:
        pass
    return json_text({"message": line}, plain=plain)
