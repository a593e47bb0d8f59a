"""`theoryctl doctor`: what is wrong on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import command, make_app

app = make_app("doctor", "Find problems in this environment, each with its fix.")

Online = Annotated[
    bool,
    typer.Option("--online", help="Ask the vendors whose keys are set, and Modal, too. No key is sent to a vendor."),
]


@command(app, "doctor", examples="theoryctl doctor")
def doctor(ctx: typer.Context, online: Online = False) -> None:
    """Find problems in this environment, each with its fix.

    It looks at Python and its packages, settings, folders, keys, the network, Docker, Modal, and what was started. Each
    finding has one command that ends it. Without --online nothing leaves this machine, and nothing is changed.

    The exit status is that of the gravest finding. Advice, such as a key file that others may read, leaves it at 0.
    """
    from theoryctl.actions.doctor.examination import examine

    ctx.obj.emit(examine(online=online))
