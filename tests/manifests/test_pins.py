"""Drift: a pin that has changed since the start, and is not what runs."""

from __future__ import annotations

import pytest

from theoryctl.errors import DigestDrift
from theoryctl.hints import command
from theoryctl.manifests.pins import check_pin, other_pin


@pytest.mark.parametrize(
    ("pinned", "running", "at_start", "drift"),
    [
        ("a", "a", "a", None),
        ("b", "a", "a", "b"),
        ("b", "a", None, "b"),
        ("b", "b", "a", None),  # started anew since, by --oci or by hand
        ("a", "other", "a", None),  # started with --oci, and the pin has not changed
        ("b", "other", "a", "b"),
        (None, "a", "a", None),
        ("a", None, None, None),  # a process runs no image
    ],
)
def test_drift_is_a_pin_that_neither_runs_nor_stood_there_at_the_start(
    pinned: str | None, running: str | None, at_start: str | None, drift: str | None
) -> None:
    assert other_pin(pinned, running, at_start) == drift


def test_a_refusal_names_the_ref_both_digests_and_the_command_that_ends_it() -> None:
    check_pin("a/b@1", "sha256:new", "sha256:new", "sha256:old", state="running", hint=command("local stop"))
    with pytest.raises(DigestDrift) as caught:
        check_pin("a/b@1", "sha256:new", "sha256:old", "sha256:old", state="running", hint=command("local stop"))
    assert caught.value.message == "a/b@1 is pinned to sha256:new, but sha256:old is running"
    assert caught.value.hint == "theoryctl local stop"
