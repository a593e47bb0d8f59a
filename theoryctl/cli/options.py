"""Options that commands share, and the flags of `run` as one value."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from theoryctl.cli.command import ManifestsOption

if TYPE_CHECKING:
    from theoryctl.actions.run import RunOptions
    from theoryctl.results.run import RunResult

DEFAULT_MAX_ATTACHMENT = "100MiB"

ModeOption = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="mock|real",
        help="mock: deterministic, offline, free. real: calls the vendor. [default: that of the inputs, of "
        "THEORYCTL_MODE, of the instance, or mock]",
    ),
]
InputsJSON = Annotated[str | None, typer.Option("--inputs-json", metavar="JSON", help="The inputs, as a JSON object.")]
InputsFile = Annotated[str | None, typer.Option("--inputs-file", metavar="PATH", help="The inputs, from a JSON file.")]
InputsStdin = Annotated[str | None, typer.Option("--inputs", metavar="-", help="The inputs, from standard input.")]
Prompt = Annotated[str | None, typer.Option("--prompt", metavar="TEXT", help="The inputs, as one user message.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="With --prompt: the model, as vendor/name.")]
System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="With --prompt: the system message.")]
Attach = Annotated[
    list[str] | None,
    typer.Option(
        "--attach", metavar="NAME=PATH", help='Attach a file; inputs name it {"$attach": "NAME"}. Repeatable.'
    ),
]
MaxAttachment = Annotated[str, typer.Option("--max-attachment", metavar="SIZE", help="The largest attachment allowed.")]
Stream = Annotated[bool, typer.Option("--stream", help="Show the answer as it comes.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="Time for the vendor's answer; loading LiteLLM does not count. [default: the manifest's]",
    ),
]
SaveDir = Annotated[
    str | None, typer.Option("--save-dir", metavar="DIR", help="Write each output to a file in this folder.")
]
EnvFile = Annotated[
    str | None, typer.Option("--env-file", metavar="PATH", help="Read secrets from this file before the environment.")
]
ScriptFile = Annotated[
    str | None,
    typer.Option("--script", metavar="PATH", help="Answer in mock mode by the rules in this YAML file."),
]
ReplayDir = Annotated[
    str | None, typer.Option("--replay", metavar="DIR", help="Answer in mock mode from the recordings in this folder.")
]
RecordDir = Annotated[
    str | None,
    typer.Option("--record", metavar="DIR", help="Write each exchange of real mode to a file in this folder."),
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
    str | None, typer.Option("--ref", metavar="REF", help="Only this provider: namespace/name@version.")
]
InstanceName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The instance of this name, of several of one ref.")
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Print new lines as they come.")]
Tail = Annotated[int | None, typer.Option("--tail", metavar="N", min=0, help="Print only the last N lines.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Print only lines of the last 30s, 10m, 2h or 1d.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """The flags of every `run`, on this machine and on Modal."""

    mode: ModeOption = None
    inputs_json: InputsJSON = None
    inputs_file: InputsFile = None
    inputs: InputsStdin = None
    prompt: Prompt = None
    model: Model = None
    system: System = None
    attach: Attach = None
    max_attachment: MaxAttachment = DEFAULT_MAX_ATTACHMENT
    stream: Stream = False
    timeout: Timeout = None
    save_dir: SaveDir = None
    script: ScriptFile = None
    replay: ReplayDir = None
    record: RecordDir = None
    manifests: ManifestsOption = None


def with_run_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Turn a function with a parameter `flags` into a command with every field of RunFlags as an option."""
    hints = get_type_hints(RunFlags, include_extras=True)
    shared = [_option(field.name, field.default, hints[field.name]) for field in fields(RunFlags)]
    own = list(inspect.signature(function, eval_str=True).parameters.values())
    at = next(index for index, parameter in enumerate(own) if parameter.name == "flags")

    def command(**options: Any) -> None:
        flags = RunFlags(**{parameter.name: options.pop(parameter.name) for parameter in shared})
        function(flags=flags, **options)

    parameters = [*own[:at], *shared, *own[at + 1 :]]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what Typer reads
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__, command.__name__ = function.__doc__, function.__name__
    return command


def _option(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)


def told(result: RunResult, ctx: typer.Context) -> RunResult:
    """The result of a run; one that failed, or that had to load its provider, says what to type next."""
    if result.envelope["error"] is None and not result.envelope["meta"].get("loading_ms"):
        return result
    from theoryctl.cli.hints import with_hint

    return with_hint(result, ctx)


def run_options(ref: str, flags: RunFlags, *, env_file: str | None = None) -> RunOptions:
    """Turn the flags into the options of a run. Raises UsageError, BadRef."""
    from theoryctl.actions.run import RunOptions, checked_mode, positive_seconds
    from theoryctl.refs import ProviderRef
    from theoryctl.requests.attachments import parse_size
    from theoryctl.requests.input_flags import InputFlags
    from theoryctl.requests.mock_flags import MockFlags

    return RunOptions(
        ref=ProviderRef.parse(ref),
        inputs=InputFlags(
            json=flags.inputs_json,
            file=flags.inputs_file,
            stdin=flags.inputs,
            prompt=flags.prompt,
            model=flags.model,
            system=flags.system,
        ),
        max_attachment=parse_size(flags.max_attachment),
        mode=checked_mode(flags.mode),
        attach=tuple(flags.attach or ()),
        timeout=positive_seconds(flags.timeout),
        save_dir=flags.save_dir,
        env_file=env_file,
        manifests=flags.manifests,
        mocks=MockFlags(script=flags.script, replay=flags.replay, record=flags.record),
    )
