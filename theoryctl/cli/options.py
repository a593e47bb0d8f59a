"""Options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

#: The standard input of a run, in what Typer's contexts share.
STANDARD_INPUT = "standard input"

DEFAULT_MAX_ATTACHMENT = "100MiB"

ModeOption = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="mock|real",
        help="mock: deterministic, offline, free. real: calls the vendor. [default: the mode of the inputs, "
        "of THEORYCTL_MODE, of the configuration, of the instance, or mock]",
    ),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PROMPT]...", help="The prompt, in words; a lone - reads it from standard input."),
]
InputsJSON = Annotated[str | None, typer.Option("--inputs-json", metavar="JSON", help="The inputs, as a JSON object.")]
InputsFile = Annotated[str | None, typer.Option("--inputs-file", metavar="PATH", help="The inputs, from a JSON file.")]
InputsStdin = Annotated[str | None, typer.Option("--inputs", metavar="-", help="The inputs, from standard input.")]
Prompt = Annotated[
    str | None, typer.Option("--prompt", metavar="TEXT", help="The prompt; - reads it from standard input.")
]
PromptFile = Annotated[str | None, typer.Option("--prompt-file", metavar="PATH", help="The prompt, from a text file.")]
NoStdin = Annotated[
    bool, typer.Option("--no-stdin", help="Do not read standard input, which otherwise joins the prompt.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="The model, as vendor/name. [env: THEORYCTL_MODEL; default: the manifest's]",
    ),
]
System = Annotated[
    str | None, typer.Option("--system", "-s", metavar="TEXT", help="With a prompt: the system message.")
]
InputOption = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="KEY=VALUE", help="One input, such as temperature=0.2. Repeatable."),
]
Attach = Annotated[
    list[str] | None,
    typer.Option(
        "--attach",
        "-a",
        metavar="NAME=PATH",
        help='Attach a file, or - for standard input; inputs name it {"$attach": "NAME"}. Repeatable.',
    ),
]
MaxAttachment = Annotated[str, typer.Option("--max-attachment", metavar="SIZE", help="The largest attachment allowed.")]
Stream = Annotated[bool, typer.Option("--stream", help="Show the answer as it comes.")]
Raw = Annotated[bool, typer.Option("--raw", help="Show the answer as plain text, at a terminal too.")]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="Time for the vendor's answer, as 30 (seconds) or 1m; loading LiteLLM does not count. "
        "[env: THEORYCTL_TIMEOUT; default: the manifest's]",
    ),
]
SaveDir = Annotated[
    str | None,
    typer.Option(
        "--save-dir",
        metavar="DIR",
        help="Write each output to a file in this folder, and an index, outputs.json. {run_id} is the run's id.",
    ),
]
WritePrefix = Annotated[
    str | None,
    typer.Option(
        "--write-prefix",
        metavar="PREFIX",
        help="Write each output to a file whose path begins with this, as out/a- gives out/a-answer.txt, and an index.",
    ),
]
SaveFirst = Annotated[
    str | None,
    typer.Option(
        "--save-first",
        metavar="PATH",
        help="Write the first output to this file as well: the answer, where there is one.",
    ),
]
EnvFile = Annotated[
    str | None, typer.Option("--env-file", metavar="PATH", help="Read secrets from this file before the environment.")
]
MockMissingSecrets = Annotated[
    bool,
    typer.Option("--mock-missing-secrets", help="Answer in mock mode where real mode lacks a key, and say so."),
]
ScriptFile = Annotated[
    list[str] | None,
    typer.Option("--script", metavar="PATH", help="Answer in mock mode by the rules in this YAML file. Repeatable."),
]
MockVersion = Annotated[
    int | None,
    typer.Option(
        "--mock-version",
        metavar="1|2",
        min=1,
        max=2,
        help="1: answer schemas as the mock of version 0.1 did. [env: THEORYCTL_MOCK_VERSION; default: 2]",
    ),
]
Tools = Annotated[
    str | None,
    typer.Option(
        "--tools",
        metavar="each|none",
        help="each: in mock mode call each offered tool once in a turn, then answer. [default: only what it must]",
    ),
]
ReplayDir = Annotated[
    str | None, typer.Option("--replay", metavar="DIR", help="Answer in mock mode from the recordings in this folder.")
]
RecordDir = Annotated[
    str | None,
    typer.Option("--record", metavar="DIR", help="Write each exchange of real mode to a file in this folder."),
]
RecordMissing = Annotated[
    str | None,
    typer.Option(
        "--record-missing",
        metavar="DIR",
        help="In real mode answer from the recordings in this folder, and ask and record only what is missing.",
    ),
]
Env = Annotated[
    str | None,
    typer.Option(
        "--env",
        metavar="NAME",
        help="The environment on Modal. [env: THEORYCTL_ENV, MODAL_ENVIRONMENT; default: the Modal profile's, or dev]",
    ),
]
AppName = Annotated[
    str | None,
    typer.Option("--app", metavar="NAME", help="The app of this name. [default: that of the branch and user]"),
]
OptionalRef = Annotated[
    str | None, typer.Option("--ref", "-r", metavar="REF", help="Only this provider: namespace/name@version.")
]
RunRuntime = Annotated[
    str | None,
    typer.Option(
        "--runtime", metavar="NAME", help="embedded, or the runtime of a started instance. [default: the started one]"
    ),
]
InstanceName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The instance of this name, where its ref has several.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Print new lines as they come.")]
Tail = Annotated[int | None, typer.Option("--tail", metavar="N", min=0, help="Print only the last N lines.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Print only lines of the last 30s, 10m, 2h or 1d.")
]
BaseImage = Annotated[
    str | None,
    typer.Option(
        "--base-image",
        metavar="IMAGE",
        help="Build on this image. [env: THEORYCTL_BASE_IMAGE; default: python:3.12-slim]",
    ),
]
