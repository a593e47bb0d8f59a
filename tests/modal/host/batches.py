"""A batch on Modal as tests of it make one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tests.conftest import REF, Cli
from tests.modal.host.conftest import APP
from tests.modal.service import Modal
from tests.waiting import until

BATCH = ("batch", "lines.jsonl", "--out", "rows.jsonl", "--json", "--quiet")


def sent(modal: Modal) -> int:
    return Counter(entry.method for entry in modal.journal)["FunctionMap"]


def collect(cli: Cli, out: str, *more: str, ref: str = REF) -> Any:
    return cli("modal", "batch", "collect", "--out", out, "--json", "--ref", ref, *more)


def journals(environment: dict[str, str]) -> list[Path]:
    return [*Path(environment["HOME"], ".local/state").rglob("*.modal")]


def answered(cli: Cli, modal: Modal) -> list[Path]:
    """The files of answers of a detached batch that has them all."""
    name = cli("modal", *BATCH, "--ref", REF, "--detach").document["detached"]
    until(lambda: collect(cli, "first.jsonl", name, "--keep").document["left"] == 0)
    return [*(modal.volumes()[f"{APP}-attachments"] / "answers" / name).glob("*[0-9a-f].jsonl")]
