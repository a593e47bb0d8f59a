"""Values that a shell offers for a parameter, by the command that it is typed for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from theoryctl_providers.contract import ERRORS, ProviderError

if TYPE_CHECKING:
    from theoryctl.instances.instance import Instance

#: Commands about what was started on this machine.
_OF_INSTANCES = (
    *("local stop", "local status", "local logs", "local recordings", "local requests", "local url", "local env"),
    "recordings prune",
)
#: Commands whose runtime may be this process.
_ASKING = ("local run", "local batch", "runs replay")

#: A metavar that names all values: `mock|real`, `1|2`.
_CHOICES = re.compile(r"[a-z0-9]+(\|[a-z0-9]+)+")

#: The parameters of a ref, as an option and as a word.
_REF = ("ref", "other_ref")

#: Runs that are offered, the newest ones.
_MOST_RUNS = 50


class _Asked(NamedTuple):
    """The command by its words behind `theoryctl`, its options and its ref as far as they are typed, and the word so
    far."""

    command: str
    params: Mapping[str, Any]
    ref: str | None
    word: str


def offered(context: Any, parameter: Any, incomplete: str) -> list[Any]:
    """Return the values of a parameter that begin as what was typed; of one that has no list what its type offers.

    A mistake in a file that is read for it must not disturb the line that is being typed: there is no offer then.
    """
    asked = _Asked(context.command_path.partition(" ")[2], context.params, _typed_ref(context), incomplete)
    values = _values(parameter, asked.command)
    if values is None:
        return list(parameter.type.shell_complete(context, parameter, incomplete))
    try:
        return [value for value in values(asked) if value.startswith(incomplete)]
    except (ProviderError, OSError):
        return []


def _typed_ref(context: Any) -> str | None:
    """The ref in either form. Behind an option without its value yet, words are left unparsed."""
    takes_word = any(each.name in _REF and each.param_type_name == "argument" for each in context.command.params)
    typed = (*map(context.params.get, _REF), *(context.args[:1] if takes_word else ()))
    return next(filter(None, typed), None)


def _values(parameter: Any, command: str) -> Callable[[_Asked], Iterable[str]] | None:
    if _CHOICES.fullmatch(parameter.metavar or ""):
        return lambda _: parameter.metavar.split("|")
    return _VALUES.get(parameter.name) or _VALUES.get(f"{command} {parameter.name}")


def _refs(asked: _Asked) -> Iterable[str]:
    """The refs of manifests, or of what is started; for a ref that is to be new none."""
    if asked.command in _OF_INSTANCES:
        return sorted({instance.ref for instance in _instances(asked)})
    if asked.command == "manifest new":
        return ()
    from theoryctl.manifests.catalog import Catalog

    return (str(found.ref) for found in Catalog(asked.params.get("manifests")).all())


def _names(asked: _Asked) -> Iterable[str]:
    """The names of what is started, of the ref and runtime that are typed; a new one is not among them."""
    if asked.command == "local start":
        return ()
    return sorted({each.name for each in _instances(asked) if each.name and asked.ref in (None, each.ref)})


def _instances(asked: _Asked) -> list[Instance]:
    """Find the instances in the runtime that is typed, or in any."""
    from theoryctl.instances import records

    runtime = asked.params.get("runtime")
    return [each for each in records.all_instances() if runtime in (None, each.runtime)]


def _runtimes(asked: _Asked) -> Iterable[str]:
    from theoryctl.runtimes.find import EMBEDDED, STARTED

    return (EMBEDDED, *STARTED) if asked.command in _ASKING else STARTED


def _compared(asked: _Asked) -> Iterator[str]:
    from theoryctl.runtimes.find import EMBEDDED, MODAL, STARTED

    return _further((EMBEDDED, *STARTED, MODAL), asked)


def _groups(asked: _Asked) -> Iterator[str]:
    from theoryctl.ledger.queries import GROUPS

    return _further(GROUPS, asked)


def _further(names: Iterable[str], asked: _Asked) -> Iterator[str]:
    """The names that may stand behind those of a list with commas."""
    before, comma, _ = asked.word.rpartition(",")
    return (f"{before}{comma}{name}" for name in names if name not in before.split(","))


def _inputs(asked: _Asked) -> Iterable[str]:
    """The inputs of the ref that is typed."""
    from theoryctl.manifests.catalog import Catalog
    from theoryctl.refs import ProviderRef

    ref = ProviderRef.parse(asked.ref or "")
    inputs: Mapping[str, Any] = Catalog(asked.params.get("manifests")).find(ref).load().inputs
    return sorted(inputs.get("properties", ()))


def _models(_: _Asked) -> Iterable[str]:
    from theoryctl.actions.models import names

    return names()


def _vendors(_: _Asked) -> Iterable[str]:
    from theoryctl.actions.vendors import vendors

    return (vendor.name for vendor in vendors())


def _runs(_: _Asked) -> Iterator[str]:
    """The newest runs, by as much of their ids as `runs list` shows. The ledger is only read."""
    from theoryctl.ledger import queries, store

    if store.path().exists():
        yield queries.LAST
        with store.opened(seconds=0.0) as ledger:
            yield from [queries.short(row.run_id) for row in queries.runs(ledger, queries.Filter(), _MOST_RUNS)]


def _codes(_: _Asked) -> Iterable[str]:
    return ERRORS


#: By the name of a parameter, or by its command and its name.
_VALUES: dict[str, Callable[[_Asked], Iterable[str]]] = {
    "ref": _refs,
    "other_ref": _refs,
    "name": _names,
    "runtime": _runtimes,
    "runtimes": _compared,
    "model": _models,
    "code": _codes,
    "run": _runs,
    "first": _runs,
    "second": _runs,
    "models words": _vendors,
    "manifest show input_": _inputs,
    "manifest validate files": _refs,
    "runs cost by": _groups,
}
