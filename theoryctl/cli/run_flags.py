"""The words and flags of every `run` as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import typer

from theoryctl.cli import options as opt
from theoryctl.cli.command import ManifestsOption

if TYPE_CHECKING:
    from theoryctl.actions.run import RunOptions
    from theoryctl.requests.input_flags import InputFlags
    from theoryctl.results.run import RunResult


class RunFlags(NamedTuple):
    """The words and flags of every `run`, on this machine and on Modal."""

    words: opt.Words = None
    mode: opt.ModeOption = None
    model: opt.Model = None
    system: opt.System = None
    option: opt.InputOption = None
    attach: opt.Attach = None
    prompt: opt.Prompt = None
    prompt_file: opt.PromptFile = None
    no_stdin: opt.NoStdin = False
    inputs_json: opt.InputsJSON = None
    inputs_file: opt.InputsFile = None
    inputs: opt.InputsStdin = None
    max_attachment: opt.MaxAttachment = opt.DEFAULT_MAX_ATTACHMENT
    stream: opt.Stream = False
    raw: opt.Raw = False
    timeout: opt.Timeout = None
    save_dir: opt.SaveDir = None
    write_prefix: opt.WritePrefix = None
    save_first: opt.SaveFirst = None
    mock_missing_secrets: opt.MockMissingSecrets = False
    script: opt.ScriptFile = None
    replay: opt.ReplayDir = None
    record: opt.RecordDir = None
    record_missing: opt.RecordMissing = None
    tools: opt.Tools = None
    mock_version: opt.MockVersion = None
    manifests: ManifestsOption = None


def told(result: RunResult, ctx: typer.Context) -> RunResult:
    """The result of a run; one that failed, or that had to load its provider, says what to type next."""
    if result.envelope["error"] is None and not result.envelope["meta"].get("loading_ms"):
        return result
    from theoryctl.cli.hints import with_hint

    return with_hint(result, ctx)


def run_options(ctx: typer.Context, ref: str, flags: RunFlags, *, env_file: str | None = None) -> RunOptions:
    """Turn the flags into the options of a run. Raises UsageError, BadRef."""
    from theoryctl.actions.run import RunOptions, checked_mode
    from theoryctl.refs import ProviderRef
    from theoryctl.requests.attachments import parse_size
    from theoryctl.requests.mock_flags import MockFlags
    from theoryctl.requests.save_flags import SaveFlags
    from theoryctl.requests.standard_input import StandardInput

    standard_input = ctx.meta[opt.STANDARD_INPUT] = StandardInput(ctx.obj.note)
    _refuse_a_ref_in_words(ctx, flags)
    return RunOptions(
        ref=ProviderRef.parse(ref),
        inputs=_input_flags(flags),
        max_attachment=parse_size(flags.max_attachment),
        mode=checked_mode(flags.mode),
        stream=flags.stream,
        attach=tuple(flags.attach or ()),
        timeout=_timeout(flags.timeout),
        save=SaveFlags(folder=flags.save_dir, prefix=flags.write_prefix, first=flags.save_first),
        env_file=env_file,
        manifests=flags.manifests,
        mocks=MockFlags(
            script=tuple(flags.script or ()),
            replay=flags.replay,
            record=flags.record,
            tools=flags.tools,
            record_missing=flags.record_missing,
            mock_version=flags.mock_version,
        ),
        mock_missing_secrets=flags.mock_missing_secrets,
        standard_input=standard_input,
    )


def _timeout(text: str | None) -> float | None:
    if text is None:
        return None
    from theoryctl.units import parse_timeout

    return parse_timeout(text)


def _input_flags(flags: RunFlags) -> InputFlags:
    from theoryctl.requests.input_flags import InputFlags

    return InputFlags(
        json=flags.inputs_json,
        file=flags.inputs_file,
        stdin=flags.inputs,
        words=tuple(flags.words or ()),
        prompt=flags.prompt,
        prompt_file=flags.prompt_file,
        model=flags.model,
        system=flags.system,
        options=tuple(flags.option or ()),
        attachments=tuple(flags.attach or ()),
        joins=not flags.no_stdin,
    )


def _refuse_a_ref_in_words(ctx: typer.Context, flags: RunFlags) -> None:
    """Refuse a prompt that begins with a ref, or one as the model, where none was typed: it was meant as one."""
    from theoryctl.errors import UsageError
    from theoryctl.hints import again

    source = ctx.get_parameter_source("ref")
    typed = source is not None and source.name == "COMMANDLINE"
    if "@" in (flags.model or "") and not typed and _is_known(str(flags.model), flags.manifests):
        message = f"--model: expected vendor/name, got the ref {flags.model}"
        raise UsageError(message, hint=again("name the ref with --ref", ref=flags.model, model=None))
    first, *rest = flags.words or [""]
    if not typed and (ref := _as_ref(first, flags.manifests)):
        message = f"{first} is a ref, and words are the prompt"
        raise UsageError(message, hint=again("name the ref with --ref", ref=ref, words=tuple(rest) or None))


def _is_known(word: str, manifests: str | None) -> bool:
    """Return whether a word is a ref with a manifest; models of some vendors end in `@` and a date."""
    import re

    from theoryctl.manifests.catalog import Catalog
    from theoryctl.refs import PATTERN, ProviderRef

    return bool(re.fullmatch(PATTERN, word)) and Catalog(manifests).has(ProviderRef.parse(word))


def _as_ref(word: str, manifests: str | None) -> str | None:
    """The word as a ref: one, or what is one of the manifests that are seen from here, with its version left out."""
    import re

    from theoryctl.manifests.catalog import Catalog
    from theoryctl.refs import PATTERN, ProviderRef

    if re.fullmatch(PATTERN, word):
        return word
    whole = f"{word}@1"
    return whole if re.fullmatch(PATTERN, whole) and Catalog(manifests).has(ProviderRef.parse(whole)) else None
