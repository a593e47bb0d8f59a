"""Instances that were started, and their records."""

from __future__ import annotations

from collections.abc import Iterator

from theoryctl.actions.doctor.commands import quoted
from theoryctl.actions.known import instances_of, unrecorded
from theoryctl.hints import command
from theoryctl.instances import records
from theoryctl.instances.instance import Instance
from theoryctl.instances.records import BadRecord
from theoryctl.instances.restart import stop_and_start
from theoryctl.results.doctor import Checked, Finding
from theoryctl.runtimes.find import started_runtime

_CODE = "ERR_NOT_RUNNING"


def check() -> Checked:
    """Check that each record can be used and is of an instance that answers, and that nothing else runs."""
    found = list(records.all_records())
    findings = [finding for each in found for finding in (_bad(each) if isinstance(each, BadRecord) else _state(each))]
    count = len(instances_of(found))
    summary = f"{count} {'is' if count == 1 else 'are'} recorded"
    return Checked("instances", summary, (*findings, *map(_unrecorded, unrecorded())))


def _bad(record: BadRecord) -> Iterator[Finding]:
    what = f"{record.file}: the record of an instance cannot be used: {record.reason}"
    yield Finding(what, "no run finds what it is of", f"rm -rf {quoted(record.file)}", _CODE)


def _state(instance: Instance) -> Iterator[Finding]:
    state = started_runtime(instance.runtime).state(instance)
    who = f"the instance of {instance.ref} ({instance.where})"
    why = f"runs of {instance.ref} find it, and fail"
    if state.name == "dead":
        stop = command("local stop", ref=instance.ref, name=instance.name)
        yield Finding(f"{who} has died", why, str(stop), _CODE)
    elif not state.healthy and state.name != "draining":
        yield Finding(f"{who} does not answer", why, str(stop_and_start(instance)), _CODE)


def _unrecorded(lost: Instance) -> Finding:
    what = f"an instance of {lost.ref} runs ({lost.runtime}) that has no record"
    why = "no run finds it, and it holds what it was given"
    return Finding(what, why, str(command("local stop", all_=True)))
