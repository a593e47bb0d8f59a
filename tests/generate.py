"""Writes every generated file anew: `make docs`. `test_generated.py` holds that they are current."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

from tests.clients_page import clients_page
from tests.configuration_page import configuration_page
from tests.picture import picture
from tests.records import committed
from tests.runs_schema import runs_schema
from tests.vendors_page import vendors_page
from tests.wires_page import wires_page
from theoryctl.actions.explain import explain
from theoryctl.batch.rows import SCHEMA
from theoryctl.manifests.check import manifest_schema
from theoryctl.results.errors import Explanation
from theoryctl_providers import run
from theoryctl_providers.authored.script_check import script_schema
from theoryctl_providers.authored.yaml_document import parse
from theoryctl_providers.contract import ERRORS, Attachment, dumps

ROOT = Path(__file__).parent.parent
GOLDEN = Path("tests/providers/golden_mock.json")

_EXITS = {
    0: "success",
    1: "the provider or the vendor failed; of a batch, more lines than are allowed to",
    2: "usage: an unknown, missing or conflicting flag, or a malformed ref",
    3: "a manifest, the inputs or an attachment is not valid, or the ref is not found",
    4: "a secret, key or permission is missing or refused",
    5: "Docker, a registry, Modal or an instance does not answer, or takes no more; what was asked for is not there",
    6: "an image is not pinned, not there for this platform, or not what its digest says; what runs is another one",
    7: "a limit on cost that you set would be passed",
    70: "a bug in theoryctl; `--debug` shows where",
    124: "timeout",
    130: "interrupted",
    141: "whoever read the output went away (`| head`)",
}


def pretty(value: Any) -> str:
    return dumps(value, indent=2) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown (github.github.com/gfm, 4.10): one line per row, so a cell has neither line ends nor `|`."""
    first, *others = ("| " + " | ".join(map(_cell, line)) + " |" for line in [header, *rows])
    return "\n".join([first, "|" + "---|" * len(header), *others])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def errors_page() -> str:
    """docs/errors.md: the two tables that scripts rely on."""
    exits = table(("status", "meaning"), [(str(status), meaning) for status, meaning in _EXITS.items()])
    rows = [
        (
            f"[`{code}`](troubleshooting.md#{code.lower()})",
            str(spec.exit_status),
            "yes" if spec.retryable else "no",
            str(spec.http_status),
            spec.meaning,
        )
        for code, spec in sorted(ERRORS.items())
    ]
    codes = table(("code", "exit", "retryable", "HTTP", "meaning"), rows)
    return f"""\
# Errors

Every failure has a stable code, an exit status, a message that says what failed and why, and a hint that says what to
type next. With `--json`, a failed `run` prints an envelope ([theoryctl.run/v1](envelope.schema.json)) and any other
command `theoryctl.error/v1`; both carry the same `error` object: `code`, `message`, `hint`, `retryable`.

## Exit statuses

{exits}

## Codes

{codes}
"""


def troubleshooting_page() -> str:
    """docs/troubleshooting.md: the text of `theoryctl explain` for every code."""
    sections = "\n".join(_explained(explain(code)) for code in ERRORS)
    return f"""\
# Troubleshooting

Two commands help before this page does. `theoryctl doctor` examines this machine: packages, settings, folders, the
network, keys, Docker, Modal, and what was started. Each finding has one command that ends it; `--online` asks the
vendors and Modal too. `theoryctl explain CODE` prints a section of this page.

The exit status of a failed command, and what its error looks like in JSON, is in [Errors](errors.md).

{sections}"""


def _explained(error: Explanation) -> str:
    again = "Trying again may help." if error.retryable else "Trying again does not help."
    meaning = f"{error.meaning[0].upper()}{error.meaning[1:]}. Exit status {error.error_status}. {again}"
    texts = (meaning, f"**Cause.** {error.cause}", f"**Cure.** {error.cure}")
    wrapped = (fill(text, 120, break_long_words=False, break_on_hyphens=False) for text in texts)
    return "\n\n".join([f"## {error.code}", *wrapped]) + "\n"


def manifest_page() -> str:
    """docs/manifest.md: every field, from the model."""
    schema = manifest_schema()
    parts = {"Manifest": schema, **schema["$defs"]}
    sections = "\n".join(_fields(name, part) for name, part in parts.items())
    return f"""\
# Manifests

A manifest is a YAML file that says what a ref such as `llm/litellm@1` means. Its path is `namespace/name@version.yaml`
below a manifests folder. theoryctl searches these places in this order, and takes the first file that it finds;
`theoryctl manifest show REF` names that file:

1. `--manifests DIR`
2. `THEORYCTL_MANIFESTS`, else `manifests` in `theoryctl.toml` or in the user's `config.toml`
   ([configuration](configuration.md))
3. `./manifests`, unless its files belong to another program
4. `$XDG_CONFIG_HOME/theoryctl/manifests` (default `~/.config/theoryctl/manifests`)
5. the manifests that come with theoryctl
6. packages that declare an entry point of the group `theoryctl.manifests`; its value names the package with the files

Unknown keys are errors. So are plain words in `example`, and in the values of schemas, that YAML reads as something
else, such as `NO`, `0644` and `12:30`: write them in quotes. Editors can check a manifest with
[manifest.schema.json](manifest.schema.json), which `theoryctl manifest schema` prints too.

{sections}"""


def _fields(name: str, part: dict[str, Any]) -> str:
    required = part.get("required", [])
    rows = []
    for field, spec in part["properties"].items():
        default = "required" if field in required else _default(spec)
        rows.append((f"`{field}`", _type(spec), default, spec.get("description", "")))
    fields = table(("field", "type", "default", "meaning"), rows)
    return f"## {name}\n\n{part.get('description', '')}\n\n{fields}\n"


def _type(spec: dict[str, Any]) -> str:
    if "$ref" in spec:
        return str(spec["$ref"].rpartition("/")[2])
    if "anyOf" in spec:
        return " or ".join(_type(option) for option in spec["anyOf"])
    if spec.get("type") == "array":
        return f"list of {_type(spec['items'])}"
    return str(spec.get("type", "any"))


def _default(spec: dict[str, Any]) -> str:
    return f"`{dumps(spec['default'])}`" if "default" in spec else ""


def commands_page() -> str:
    """docs/commands.md: the help of every command, as it is printed."""
    from tests.helptexts import every_help

    sections = [f"## {name}\n\n```text\n{text.rstrip()}\n```\n" for name, text in every_help()]
    return "# Commands\n\n" + "\n".join(sections)


def chat_schema() -> Any:
    """The inputs of the shipped manifest, for use of the providers without a manifest."""
    return parse((ROOT / "manifests/llm/litellm@1.yaml").read_bytes()).value["inputs"]


def batch_schema() -> Any:
    """A row of a batch: an envelope with the line that it belongs to."""
    schema = json.loads((ROOT / "docs/envelope.schema.json").read_text())
    own = {
        "schema": {"const": SCHEMA},
        "id": {"type": ["string", "null"], "description": "The line's own id."},
        "line": {"type": "integer", "minimum": 1, "description": "The line's number."},
        "request_digest": {
            "$ref": "#/$defs/digest",
            "description": "Of the canonical JSON of attachments, inputs, mode, model, operation and ref.",
        },
    }
    call = {
        "type": "object",
        "required": ["run_id", "line", "cost_usd"],
        "properties": {
            "run_id": {"type": "string"},
            "line": {"type": "integer", "minimum": 1, "description": "The number that the line had then."},
            "cost_usd": {"type": ["number", "null"], "minimum": 0, "description": "US dollars; null: nobody knows."},
        },
        "additionalProperties": False,
    }
    before = {
        "type": "array",
        "description": "Failed calls of earlier runs, whose rows this one has replaced. Equal lines may name one call.",
        "items": call,
    }
    again = {
        "const": True,
        "description": "The line of this failure is asked again elsewhere: another row comes in the place of this one.",
    }
    schema |= {
        "title": SCHEMA,
        "description": "A row of a batch: the envelope of one line's request.",
        "required": [*own, *schema["required"][1:]],
        "properties": {
            **own,
            "before": before,
            "asked_again": again,
            **{name: value for name, value in schema["properties"].items() if name != "schema"},
        },
    }
    return schema


def golden() -> list[dict[str, Any]]:
    """The mock's answers to the golden inputs. A change here is a change of behaviour that users see."""
    cases = json.loads((ROOT / GOLDEN).read_text())
    for case in cases:
        files = [Attachment(**file) for file in case["attachments"]]
        envelope = run(case["inputs"], provider="litellm", attachments=files)
        case["expected"] = {"outputs": envelope["outputs"], "usage": envelope["usage"]}
    return list(cases)


#: Path (from the root) of every generated file, and what makes its text.
GENERATED: dict[Path, Callable[[], str]] = {
    Path("docs/first-run-light.svg"): lambda: picture("light"),
    Path("docs/first-run-dark.svg"): lambda: picture("dark"),
    Path("docs/errors.md"): errors_page,
    Path("docs/troubleshooting.md"): troubleshooting_page,
    Path("docs/manifest.schema.json"): lambda: pretty(manifest_schema()),
    Path("docs/manifest.md"): manifest_page,
    Path("docs/script.schema.json"): lambda: pretty(script_schema()),
    Path("docs/batch.schema.json"): lambda: pretty(batch_schema()),
    Path("docs/runs.schema.json"): lambda: pretty(runs_schema()),
    Path("docs/commands.md"): commands_page,
    Path("docs/clients.md"): lambda: clients_page(table),
    Path("docs/configuration.md"): lambda: configuration_page(table),
    Path("docs/vendors.md"): lambda: vendors_page(table, committed(ROOT)),
    Path("docs/wires.md"): lambda: wires_page(ROOT / "docs/wires.md", table),
    Path("providers/theoryctl_providers/inputs/chat.schema.json"): lambda: pretty(chat_schema()),
    GOLDEN: lambda: pretty(golden()),
}


def main() -> None:
    for path, made in GENERATED.items():
        (ROOT / path).write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
