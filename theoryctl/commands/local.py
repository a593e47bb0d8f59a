"""`theoryctl local`: providers on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.commands.base import ManifestsOption, RefOption, command, make_app

app = make_app("local", "Run providers on this machine.")

ModeOption = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="mock|real",
        help="mock: deterministic, offline, free. real: calls the vendor. [default: mock]",
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
    typer.Option("--attach", metavar="NAME=PATH", help='Attach a file, as {"$attach": "NAME"}; repeatable.'),
]
MaxAttachment = Annotated[str, typer.Option("--max-attachment", metavar="SIZE", help="The largest attachment allowed.")]
Stream = Annotated[bool, typer.Option("--stream", help="Show the answer as it comes.")]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        help="Time for the vendor's answer, without the time to load LiteLLM. [default: the manifest's]",
    ),
]
SaveDir = Annotated[
    str | None, typer.Option("--save-dir", metavar="DIR", help="Write each output to a file in this folder.")
]
EnvFile = Annotated[
    str | None, typer.Option("--env-file", metavar="PATH", help="Read secrets from this file before the environment.")
]


@command(
    app,
    "run",
    examples="""\
theoryctl local run --ref llm/litellm@1 --mode mock
theoryctl local run --ref llm/litellm@1 --prompt "Say hello in one word." --stream
theoryctl local run --ref llm/litellm@1 --inputs-json '{"messages": [{"role": "user", "content": "Hi"}]}' --json
theoryctl local run --ref llm/litellm@1 --attach notes=README.md --prompt "Sum this up." """.rstrip(),
)
def run(
    ctx: typer.Context,
    ref: RefOption,
    mode: ModeOption = None,
    inputs_json: InputsJSON = None,
    inputs_file: InputsFile = None,
    inputs: InputsStdin = None,
    prompt: Prompt = None,
    model: Model = None,
    system: System = None,
    attach: Attach = None,
    max_attachment: MaxAttachment = "100MiB",
    stream: Stream = False,
    timeout: Timeout = None,
    save_dir: SaveDir = None,
    env_file: EnvFile = None,
    manifests: ManifestsOption = None,
) -> None:
    """Send one request to a provider and print its answer.

    Without inputs, mock mode answers the manifest's own example. Standard output gets the answer alone (with --json,
    the whole envelope); everything else goes to standard error.
    """
    from theoryctl import lifecycle
    from theoryctl.attachments import parse_size
    from theoryctl.inputs import InputFlags
    from theoryctl.refs import ProviderRef

    flags = InputFlags(json=inputs_json, file=inputs_file, stdin=inputs, prompt=prompt, model=model, system=system)
    options = lifecycle.RunOptions(
        ref=ProviderRef.parse(ref),
        inputs=flags,
        max_attachment=parse_size(max_attachment),
        mode=mode,
        attach=tuple(attach or ()),
        timeout=lifecycle.positive_seconds(timeout),
        save_dir=save_dir,
        env_file=env_file,
        manifests=manifests,
    )
    ctx.obj.emit(lifecycle.run(options, ctx.obj.watch_run(stream)))
