"""Refuse connections, look-ups of names and programs: for a server that was told to serve mocks and nothing else.

Python tells of them before it does them (`sys.addaudithook`; docs.python.org/3/library/audit_events.html). uvloop does
them in C and tells nobody, so its loop refuses by itself. Code in C of a provider's own is beyond both, and so is
`ctypes`, which calls any.
"""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from theoryctl_providers.contract import dumps

_EVENTS = """
socket.connect socket.sendto socket.sendmsg socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr
socket.getnameinfo subprocess.Popen os.system os.exec os.posix_spawn os.spawn os.startfile pty.spawn
theoryctl.interpreter
"""

#: The modules that make an interpreter beside this one, which would have no hook: until Python 3.12, and since 3.13.
_INTERPRETERS = ("_xxsubinterpreters", "_interpreters")

#: The modules that no code of a provider may load: those of interpreters, once they are taken over; those of Python's
#: own tests, which make interpreters too; and the loader, of which a second one would not be taken over.
_UNLOADABLE = frozenset((*_INTERPRETERS, "_testcapi", "_testinternalcapi", "_imp"))

#: Events of Python that lead out of the process. A program that is started would have no hook.
_OUTWARD = frozenset(_EVENTS.split())

#: Methods of uvloop's loop that do the same, and the events that they are. A datagram has no connection to refuse.
_OF_LOOP = {
    "create_connection": "socket.connect",
    "create_unix_connection": "socket.connect",
    "create_datagram_endpoint": "socket.connect",
    "sock_connect": "socket.connect",
    "getaddrinfo": "socket.getaddrinfo",
    "getnameinfo": "socket.getnameinfo",
    "subprocess_exec": "subprocess.Popen",
    "subprocess_shell": "subprocess.Popen",
}


def stay_offline(log: Callable[[str], None]) -> None:
    """Refuse from now on, in all threads and for good, with PermissionError and a line of the log."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _OUTWARD or (event == "import" and _loads(*arguments[:2])):
            where = [each for each in arguments if isinstance(each, (str, bytes, int, tuple, list))]
            log(dumps({"time": time.time(), "code": "ERR_PERMISSION", "refused": f"{event} {where!r:.200}"}))
            raise PermissionError(errno.EPERM, f"this instance serves mocks only, and refuses {event}")

    _take_over_multiprocessing()
    _take_over_interpreters()
    _take_over_loading()
    _take_over_uvloop()
    sys.addaudithook(refuse)


def _loads(module: str, file: str | None) -> bool:
    """Tell whether an event of an import, which is of the file and not of the statement, loads what may not be."""
    return file is not None and module.rpartition(".")[2] in _UNLOADABLE


def _take_over_multiprocessing() -> None:
    """Refuse the one way to start a program of which Python tells nobody (multiprocessing.util.spawnv_passfds)."""
    try:
        import _posixsubprocess
    except ImportError:  # Windows
        return

    def refuse(*arguments: Any) -> NoReturn:
        sys.audit("subprocess.Popen", *arguments[:1])
        raise AssertionError("expected the hook to refuse")

    _posixsubprocess.fork_exec = refuse


def _take_over_interpreters() -> None:
    """Refuse further interpreters. Python tells of them too, but 3.12 crashes where a hook refuses, and 3.13 asks
    none."""

    def refuse(*_arguments: Any, **_options: Any) -> NoReturn:
        sys.audit("theoryctl.interpreter")
        raise AssertionError("expected the hook to refuse")

    for name in _INTERPRETERS:
        with suppress(ImportError):
            import_module(name).create = refuse  # type: ignore[attr-defined]


def _take_over_loading() -> None:
    """Tell of all modules in C that are loaded. Python tells of none that is built in, nor of one whose first state it
    keeps (3.11: `import_find_extension` of import.c), in which nothing is taken over."""
    import _imp

    _imp.create_builtin = _telling(_imp.create_builtin)
    if hasattr(_imp, "create_dynamic"):  # not where nothing can be loaded
        _imp.create_dynamic = _telling(_imp.create_dynamic)


def _telling(load: Callable[..., Any]) -> Callable[..., Any]:
    def told(spec: Any, *arguments: Any) -> Any:
        if spec.name.rpartition(".")[2] in _UNLOADABLE:
            sys.audit("import", spec.name, spec.origin or "built-in")
        return load(spec, *arguments)

    return told


def _take_over_uvloop() -> None:
    try:
        import uvloop.loop
    except ImportError:  # Windows
        return
    methods = {name: _refusing(name, event) for name, event in _OF_LOOP.items()}
    # Where uvloop itself looks for it when it makes a loop, for whoever asks.
    uvloop.Loop = uvloop.loop.Loop = type("OfflineLoop", (uvloop.Loop,), methods)  # type: ignore[assignment,misc]


def _refusing(name: str, event: str) -> Callable[..., Any]:
    async def refuse(_loop: Any, *arguments: Any, **_options: Any) -> NoReturn:
        sys.audit(event, name, *arguments)
        raise AssertionError("expected the hook to refuse")

    return refuse
