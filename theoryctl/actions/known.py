"""All that is known of started instances: their records, and what runs without one."""

from __future__ import annotations

from collections.abc import Iterable

from theoryctl.instances.instance import Instance
from theoryctl.instances.lock import is_held
from theoryctl.instances.records import BadRecord, all_records
from theoryctl.refs import ProviderRef
from theoryctl.runtimes.find import STARTED, started_runtime


def all_known() -> list[Instance | BadRecord]:
    """Return every instance, with a record or without, and every record that is bad."""
    found, lost = _found()
    return [*found, *lost]


def unrecorded() -> list[Instance]:
    """Return the instances that have lost their record: they can be stopped, not asked."""
    return _found()[1]


def _found() -> tuple[list[Instance | BadRecord], list[Instance]]:
    """Every record, and what is there without one, but for the one of two with which a `start` replaces the other now.

    The records are read last: what was put into a place meanwhile has one.
    """
    there = [each for name in STARTED for each in started_runtime(name).there()]
    changing = {key for key in {each.key for each in there} if is_held(key)}
    found = list(all_records())
    known = instances_of(found)
    replaced = changing & {each.key for each in known}
    lost = [each for each in there if each.key not in replaced and not any(each.is_same(other) for other in known)]
    return found, lost


def instances_of(known: Iterable[Instance | BadRecord]) -> list[Instance]:
    """Return those that are instances."""
    return [each for each in known if isinstance(each, Instance)]


def is_of(record: Instance | BadRecord, ref: ProviderRef | None, name: str | None) -> bool:
    """Return whether a record is in a place of the ref, and of the name if that is not None."""
    key = record.key
    return key is not None and key.ref == ref and name in (None, key.name)


def called(known: Iterable[Instance | BadRecord], name: str | None) -> list[Instance]:
    """Return the instances of that name, or all without one."""
    return [each for each in instances_of(known) if name in (None, each.name)]
