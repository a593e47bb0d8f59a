"""The work behind `theoryctl runs replay`: ask again what a run of the ledger asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theoryctl.actions.run import RunOptions, run
from theoryctl.actions.runs.ledger import look_up
from theoryctl.actions.targets import embedded_target, local_target
from theoryctl.errors import UsageError
from theoryctl.hints import again, command
from theoryctl.ledger import place
from theoryctl.ledger.content import Content
from theoryctl.ledger.row import Row
from theoryctl.refs import ProviderRef
from theoryctl.requests.attachments import parse_size
from theoryctl.requests.input_flags import InputFlags
from theoryctl.requests.mock_flags import MockFlags
from theoryctl.requests.standard_input import StandardInput
from theoryctl.results.run import RunResult
from theoryctl.runtimes.find import EMBEDDED
from theoryctl.units import dollars
from theoryctl_providers.contract import Event, Log, Operation, is_mock, shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """A run by its id, or the beginning of it, and flags as of `local run`."""

    name: str
    runtime: str | None = None
    env_file: str | None = None
    manifests: str | None = None


def replay(options: ReplayOptions, on_event: Callable[[Event], None]) -> RunResult:
    """Ask again, and say whether the outputs are the same.

    A mock runs in this process, from the script or recordings that it had; a real run goes where `local run` would
    send it, after its price is said. Raises UsageError for a run whose inputs the ledger does not have whole, and what
    `run` raises.
    """
    row, content = look_up(options.name, lambda line: on_event(Log(line)))
    ref, mode, kept = _replayable(row, content)
    operation = shaped(Operation, row.operation or "chat")
    if operation != "chat" and options.runtime not in (None, EMBEDDED):
        message = f"--runtime {options.runtime}: {operation} are asked again in this process only"
        raise UsageError(message, hint=again("leave --runtime out", runtime=None))
    if options.runtime is None and (is_mock(mode) or operation != "chat"):
        asked = "mocks" if operation == "chat" else operation
        target = embedded_target(f": {asked} are asked again in this process")
    else:
        target = local_target(ref, options.runtime)
    if not is_mock(mode):
        on_event(Log(_price(row)))
    result = run(_options(options, row, ref, mode, kept, operation), target, on_event)
    if result.envelope["error"] is None:
        on_event(Log(_compared(row, result)))
    return result


def _replayable(row: Row, content: Content | None) -> tuple[ProviderRef, str, Content]:
    """The ref, mode and content of a run that can be asked again. Raises UsageError for any other."""
    if content is None:
        words = "mock,content" if is_mock(row.mode or "real") else "content"
        missing, hint = "its inputs were not kept", f"set THEORYCTL_LEDGER to {words} before the next run"
    elif content.redacted:
        missing, hint = "its inputs held a secret, which the ledger does not keep", "keep secrets out of the inputs"
    elif content.attached:
        missing, hint = "files came with its inputs, which the ledger does not keep", "ask it again with its files"
    elif row.ref is None or row.mode is None:
        missing, hint = "the ledger names no ref for it", command("runs show", row.run_id)
    else:
        return ProviderRef.parse(row.ref), row.mode, content
    raise UsageError(f"{row.run_id} cannot be asked again: {missing}", hint=hint)


def _options(
    options: ReplayOptions, row: Row, ref: ProviderRef, mode: str, content: Content, operation: Operation
) -> RunOptions:
    inputs = {"model": row.model, **json.loads(content.inputs)} if row.model else json.loads(content.inputs)
    return RunOptions(
        ref=ref,
        inputs=InputFlags(json=json.dumps(inputs), joins=False),
        max_attachment=parse_size("0"),
        standard_input=StandardInput(),
        mode=mode,
        env_file=options.env_file,
        manifests=options.manifests,
        mocks=_mocks(json.loads(content.answers) if content.answers else {}),
        source="replay",
        operation=operation,
    )


def _mocks(answers: dict[str, Any]) -> MockFlags:
    script = answers.get("--script", ())
    return MockFlags(
        script=(script,) if isinstance(script, str) else tuple(script),
        # A run that --record-missing answered is a mock: the folder had its recording.
        replay=answers.get("--replay", answers.get("--record-missing")),
        tools=answers.get("--tools"),
        mock_version=answers.get("--mock-version"),
    )


def _price(row: Row) -> str:
    cost = "nobody knows what it cost" if row.cost_usd is None else f"it cost {dollars(row.cost_usd)}"
    return f"real mode: {row.model} is asked again; {cost} the last time"


def _compared(row: Row, result: RunResult) -> str:
    found = place.outputs_digest(result.envelope["outputs"], place.key())
    if found == row.outputs_digest:
        return f"the outputs are those of {row.run_id}, byte by byte"
    return f"the outputs differ: {command('runs diff', row.run_id, result.envelope['run_id'])}"
