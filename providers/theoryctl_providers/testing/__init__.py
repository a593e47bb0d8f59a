"""A deterministic model server inside a test.

with serve(script={"rules": [{"answers": [{"text": "Hello"}]}]}) as theoryctl:
    answer = OpenAI().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
    assert theoryctl.requests[0].body["model"] == "gpt-4o-mini"
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from theoryctl_providers.testing.instance import Instance
    from theoryctl_providers.testing.script_files import Told


@contextmanager
def serve(
    *,
    script: Told | Sequence[Told] | None = None,
    replay: str | Path | None = None,
    record: str | None = None,
) -> Iterator[Instance]:
    """Serve mocks in a thread, with the variables set that lead clients of each API there.

    With `record` "missing" the vendor is asked for what `replay` has not, and its answers are written there at the end.
    `script` goes before `replay`. Raises ProviderError `ERR_USAGE`, `ERR_SCRIPT`, `ERR_RECORDING`; and at the end
    `ERR_OUTPUT`, and AssertionError where a rule of a strict script answered nothing. Warns there of what in a
    script has no effect.
    """
    from theoryctl_providers.testing.instance import environment, instances

    with instances() as begin, begin() as instance, environment(instance.env):
        instance.answer(script, replay, record)
        yield instance
        if instance.missed:
            raise AssertionError(instance.missed)
        for told in instance.warnings:
            warnings.warn(told, stacklevel=3)  # the caller's `with`
