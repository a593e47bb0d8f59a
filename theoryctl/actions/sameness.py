"""The same inputs asked of a manifest's provider in several runtimes, and the digests of its outputs compared."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from theoryctl.actions.instances import stop
from theoryctl.actions.start import LARGEST, WAIT_SECONDS, StartOptions, start
from theoryctl.actions.targets import Target, local_target, modal_target
from theoryctl.errors import OutputFailed, UsageError
from theoryctl.manifests.catalog import Catalog, Found
from theoryctl.progress import Progress
from theoryctl.refs import ProviderRef
from theoryctl.requests.input_flags import InputFlags
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.standard_input import StandardInput
from theoryctl.results.sameness import Asked, SamenessTested
from theoryctl.runtimes.config import provider_config
from theoryctl.runtimes.find import EMBEDDED, MODAL, STARTED
from theoryctl_providers.contract import ProviderError, Request, Result

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
    """Ask the manifest's example and the inputs in `files` in mock mode in each of `runtimes`, names apart by commas.

    Instances are started for it, and stopped; on Modal what is deployed in `environment` is asked. `report` is a file
    to write the result to: as Markdown if its name ends in `.md`, else as JSON. Raises UsageError for an unknown
    runtime, what reading inputs and starting an instance raise, and OutputFailed where the report cannot be written.
    """
    named = _checked(runtimes)
    found = Catalog(folder).find(ref)
    questions = {"example": found.load().example, **{file: _inputs(file) for file in files}}
    asked = []
    for runtime in named:
        with _running(ref, runtime, folder, environment, progress) as target:
            asked += [Asked(runtime, name, _outputs(found, target, inputs)) for name, inputs in questions.items()]
    tested = SamenessTested(str(ref), named, tuple(asked))
    if report is not None:
        _write(Path(report), tested)
    return tested


def _checked(runtimes: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(filter(None, (name.strip() for name in runtimes.split(",")))))
    unknown = [name for name in named if name not in RUNTIMES]
    if unknown or len(named) < 2:
        got = repr(unknown[0]) if unknown else f"{len(named)}"
        message = f"--runtimes: expected two or more of {', '.join(RUNTIMES)}, got {got}"
        raise UsageError(message, hint="use --runtimes embedded,process")
    return named


def _inputs(file: str) -> dict[str, Any]:
    return InputFlags(file=file).read(StandardInput()) or {}


@contextmanager
def _running(
    ref: ProviderRef, runtime: str, folder: str | None, environment: str | None, progress: Progress
) -> Iterator[Target]:
    """The target of a runtime, started under a name of its own where something has to be started."""
    if runtime == MODAL:
        from theoryctl.modal.names import environment_name

        yield modal_target(ref, environment_name(environment))
        return
    if runtime == EMBEDDED:
        yield local_target(ref, EMBEDDED)
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
            max_attachment=LARGEST,
        ),
        progress,
    )
    try:
        yield local_target(ref, runtime, name)
    finally:
        stop(ref, False, name)


def _outputs(found: Found, target: Target, inputs: Mapping[str, Any]) -> dict[str, str]:
    """The digests of the outputs by name; of a failure its code, as `error`."""
    manifest = found.load()
    target.check(manifest, "mock")
    config = provider_config(
        manifest, runtime=target.runtime, mode="mock", mocks=MockFlags(), env_file=None, with_secrets=False
    )
    request = Request(config=config, inputs=inputs, mode="mock", streamed=False)
    with closing(target.open(found)) as session, closing(session.ask(request)) as events:
        envelopes = [event.envelope for event in events if isinstance(event, Result)]
    if not envelopes:
        raise ProviderError("ERR_BAD_RESPONSE", f"{target.runtime}: expected a result, got none", hint="run it again")
    if error := envelopes[0]["error"]:
        return {"error": error["code"]}
    return {output["name"]: output["digest"] for output in envelopes[0]["outputs"]}


def _write(file: Path, tested: SamenessTested) -> None:
    text = tested.markdown() if file.suffix == ".md" else json.dumps(tested.document(), indent=2) + "\n"
    try:
        file.write_text(text)
    except OSError as error:
        raise OutputFailed(f"--report {file}: {error.strerror}", hint="name a file in a folder of yours") from None
