"""The Protocols of runtimes, and the state of what one has started."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from theoryctl.hints import Hint
    from theoryctl.instances.connection import Health
    from theoryctl.instances.instance import Instance
    from theoryctl.refs import ProviderRef
    from theoryctl.runtimes.start_request import StartRequest
    from theoryctl_providers.contract import Event, Request


@dataclass(frozen=True, slots=True)
class State:
    """State, use of CPU and memory, and health of an instance.

    It is `running`, `draining` where it finishes what it has and stops, `dead`, `created` where a `start` is at it or
    was killed, or `unknown` where nobody can be asked.
    """

    name: str
    healthy: bool
    cpu_percent: float | None = None
    memory_bytes: int | None = None


def running_state(health: Health | None, **usage: Any) -> State:
    """Return the state of an instance that lives, by its `health`, which is None where nothing answered."""
    draining = health is not None and health.draining
    return State("draining" if draining else "running", healthy=health is not None and health.ready, **usage)


#: Takes the lines of a log.
AtEnd = Callable[[Iterable[str]], None]


def unread(lines: Iterable[str]) -> None:
    """Take no line of a log."""


class Session(Protocol):
    """Requests to one provider in one place, in turn or from several threads at once; close it when done.

    Whatever they share is made once: a code path, connections, the look-up of a deployment. Sessions stand side by
    side: none closes what another uses.
    """

    #: Where the requests go, for a person to read.
    where: str

    def ask(self, request: Request) -> Generator[Event, None, None]:
        """Yield the events of one request as they come, the last one a `Result`.

        Closing the generator cancels the call. Raises ProviderError where there is no envelope to be had.
        """
        ...

    def close(self) -> None:
        """Give back what was opened for this session; what it still asks goes on."""
        ...


class StartedRuntime(Protocol):
    """Starts instances and opens sessions with them.

    Whoever calls `starting` or `stop` holds the lock of the instance's record (`instances.lock`).
    """

    name: str
    #: Whether it runs an image; where it does not, flags that choose one are a mistake.
    has_image: bool

    def must_answer(self, ref: ProviderRef, otherwise: Hint | None = None) -> None:
        """Raise what says that nothing can be started here, and how to go on; `otherwise` is the command for that, by
        default the one that starts the ref elsewhere."""
        ...

    def starting(self, request: StartRequest, make_room: Callable[[], None]) -> AbstractContextManager[Instance]:
        """Start an instance for a block to record, in which it is ready; where the block fails, or the start, nothing
        of it is left. Raises StartFailed (`ERR_START`).

        `make_room` ends what cannot stay beside it, and is called once all is there that a start needs. What is
        recorded in its place may run meanwhile.
        """
        ...

    def differs(self, instance: Instance, request: StartRequest) -> str | None:
        """Return how the image of a running instance differs from the one that is asked for; None where it does not."""
        ...

    def stop(self, instance: Instance, at_end: AtEnd = unread) -> bool:
        """Stop this very instance and forget it; False when it was dead already.

        `at_end` is given its log, to which nothing is added any more, before that is gone.
        """
        ...

    def state(self, instance: Instance) -> State:
        """Return its state now."""
        ...

    def listens(self, instance: Instance) -> bool:
        """Return whether the recorded process or container itself listens at the instance's URL.

        It takes longer than a proof of the server's, and is for servers that are too old to give one.
        """
        ...

    def holds(self, instance: Instance, port: int) -> bool:
        """Return whether its process or container itself listens at a port of this machine."""
        ...

    def there(self) -> list[Instance]:
        """Return what the system knows of instances of this state folder, with a record or without: they can be
        stopped, not asked."""
        ...

    def log_lines(self, instance: Instance, follow: bool, *, unfinished: bool = True) -> Generator[str]:
        """Yield the lines of its log, and with `follow` those to come until it ends.

        With `unfinished`, also a last line that has no line end yet.
        """
        ...

    def open(self, instance: Instance, restart: str) -> Session:
        """Begin a session; `restart` is the command that an error names when the instance is gone.

        Raises NotRunning where it is known to be dead.
        """
        ...
