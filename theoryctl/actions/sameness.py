"""The same inputs asked of a manifest's provider in several runtimes, and the digests of its outputs compared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from theoryctl.actions.report_place import check_place
from theoryctl.actions.start import WAIT_SECONDS, StartOptions, start
from theoryctl.actions.stop import stop
from theoryctl.actions.targets import Target, embedded_target, local_target, modal_target
from theoryctl.errors import OutputFailed, UsageError
from theoryctl.hints import Hint, again
from theoryctl.instances.key import RecordKey
from theoryctl.instances.log_files import forget_log, log_paths
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.manifests.model import Manifest
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.requests.input_flags import InputFlags
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.standard_input import StandardInput
from theoryctl.results.sameness import Asked, SamenessTested
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import EMBEDDED, MODAL, STARTED, started_runtime
from theoryctl_providers.contract import Envelope, Event, ProviderError, Request, Result

#: The runtimes that can be asked, by name.
RUNTIMES = (EMBEDDED, *STARTED, MODAL)


def compare_runtimes(
    ref: ProviderRef,
    folder: str | None,
    runtimes: str,
    files: Sequence[str],
    report: str | None,
    environment: str | None,
    progress: Progress,
) -> SamenessTested:
    """Ask the same inputs in mock mode in each of `runtimes`, names apart by commas, and compare the answers.

    Asked are the manifest's example, samples of the schema of its inputs, and the inputs in `files`. Instances are
    started for it, and stopped; on Modal what is deployed in `environment` is asked. `report` is a file to write the
    result to: as Markdown if its name ends in `.md`, else as JSON.

    All runtimes are known to be there before the first is asked. Raises UsageError for an unknown runtime, and for an
    environment without Modal; what reading inputs and starting an instance raise; and OutputFailed where the report
    cannot be written.
    """
    named = _checked(runtimes)
    if environment is not None and MODAL not in named:
        raise UsageError("--env has no effect here", hint=f"add {MODAL} to --runtimes {','.join(named)}")
    if report is not None:
        check_place(report, "report.md")
    found = Catalog(folder).find(ref)
    questions = _questions(found.load(), files)
    _must_answer(found, named, environment)
    asked, images = list[Asked](), dict[str, str]()
    for runtime in named:
        progress.step(f"asking {len(questions)} inputs in {runtime}")
        with _running(ref, runtime, folder, environment, progress) as target:
            for envelope, name in zip(_answers(found, target, questions.values()), questions, strict=True):
                asked.append(Asked(runtime, name, _digests(envelope)))
                if image := envelope["meta"]["image"]:
                    images[runtime] = image
    tested = SamenessTested(str(ref), named, tuple(asked), images)
    if report is not None:
        _write(Path(report), tested)
    return tested


def _checked(runtimes: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(filter(None, (name.strip() for name in runtimes.split(",")))))
    unknown = [name for name in named if name not in RUNTIMES]
    if unknown or len(named) < 2:
        got = repr(unknown[0]) if unknown else f"{len(named)}"
        message = f"--runtimes: expected two or more of {', '.join(RUNTIMES)}, got {got}"
        raise UsageError(message, hint=_compare(named))
    return named


def comparable(named: Sequence[str]) -> str:
    """The runtimes that were meant by some names, as a value of `--runtimes`; at least two, where fewer were."""
    meant = {near for name in named for near in get_close_matches(name, RUNTIMES, n=1)}
    for other in (EMBEDDED, "process"):  # neither needs anything
        if len(meant) < 2:
            meant.add(other)
    return ",".join(sorted(meant, key=RUNTIMES.index))


def _compare(named: Sequence[str], before: str = "") -> Hint:
    value = comparable(named)
    return again(f"{before}use --runtimes {value}", runtimes=value)


def _questions(manifest: Manifest, files: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    from theoryctl_providers.mock.sampling.inputs import sampled_inputs

    samples = sampled_inputs(manifest.inputs, manifest.example)
    own = {file: InputFlags(file=file).read(StandardInput()) or {} for file in files}
    return {"example": manifest.example, **samples, **own}


def _must_answer(found: Found, named: Sequence[str], environment: str | None) -> None:
    """Raise what says that one of the runtimes is not there."""
    for runtime in named:
        if runtime in STARTED:
            others = [other for other in named if other != runtime]
            started_runtime(runtime).must_answer(found.ref, _compare(others, "start Docker, or "))
        elif runtime == MODAL:
            _deployed(found.ref, environment).open(found).close()


def _deployed(ref: ProviderRef, environment: str | None) -> Target:
    from theoryctl.modal.names import environment_name

    return modal_target(ref, environment_name(environment))


@contextmanager
def _running(
    ref: ProviderRef, runtime: str, folder: str | None, environment: str | None, progress: Progress
) -> Iterator[Target]:
    """The target of a runtime, started under a name of its own where something has to be started."""
    if runtime == MODAL:
        yield _deployed(ref, environment)
        return
    if runtime == EMBEDDED:
        yield embedded_target(", as --runtimes says")
        return
    name = f"test-{secrets.token_hex(4)}"
    start(
        StartOptions(
            ref=ref,
            runtime=runtime,
            name=name,
            mode="mock",
            manifests=folder,
            wait_timeout=WAIT_SECONDS,
        ),
        progress,
    )
    try:
        yield local_target(ref, runtime, name)
    finally:
        stop(ref, False, name)
        _clear_away(RecordKey(ref, runtime, name))


def _clear_away(key: RecordKey) -> None:
    """Remove the logs and the lock of an instance that was stopped: no other will have its name."""
    for log in log_paths(key.file):
        forget_log(str(log))
    with suppress(OSError):
        key.file.with_suffix(".lock").unlink()


def _answers(found: Found, target: Target, questions: Iterable[Mapping[str, Any]]) -> Iterator[Envelope]:
    """The envelopes of questions, which are asked one after the other in one session."""
    manifest = found.load()
    target.check(manifest, "mock")
    config = provider_config(
        manifest, runtime=target.runtime, mode="mock", mocks=MockFlags(), env_file=None, with_secrets=False
    )
    with closing(target.open(found)) as session:
        for inputs in questions:
            request = Request(config=config, inputs=inputs, mode="mock", streamed=False)
            with closing(session.ask(request)) as events:
                yield _envelope(target.runtime, events)


def _envelope(runtime: str, events: Iterable[Event]) -> Envelope:
    for event in events:
        if isinstance(event, Result):
            return event.envelope
    raise ProviderError("ERR_BAD_RESPONSE", f"{runtime}: expected a result, got none", hint="run it again")


def _digests(envelope: Envelope) -> dict[str, str]:
    """The digests of the outputs by name; of a failure its code, as `error`."""
    if error := envelope["error"]:
        return {"error": error["code"]}
    return {output["name"]: output["digest"] for output in envelope["outputs"]}


def _write(file: Path, tested: SamenessTested) -> None:
    text = tested.markdown() if file.suffix == ".md" else json.dumps(tested.document(), indent=2) + "\n"
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputFailed(f"--report {file}: {error.strerror}", hint="name a file in a folder of yours") from None
