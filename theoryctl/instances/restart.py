"""The commands that bring an instance back, with all that it was started with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from theoryctl.hints import Hint, command

if TYPE_CHECKING:
    from theoryctl.instances.instance import Instance


def start_again(instance: Instance, **changes: Any) -> Hint:
    """Return the command that starts it again, with `changes` to flags by `local start`'s parameter names."""
    flags = {"ref": instance.ref, "runtime": instance.runtime, **instance.flags, **changes}
    return command("local start", **flags).alone()


def stop_and_start(instance: Instance, **changes: Any) -> Hint:
    """Return the commands that stop it and start it again, with `changes` like `start_again`."""
    return command("local stop", ref=instance.ref, name=instance.name).then(start_again(instance, **changes))
