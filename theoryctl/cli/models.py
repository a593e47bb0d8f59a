"""`theoryctl models`: vendors, their keys, and their models."""

from __future__ import annotations

from typing import Annotated

import typer

from theoryctl.cli.command import command, make_app

app = make_app("models", "List vendors and their keys, or models and prices.")

Words = Annotated[
    list[str] | None, typer.Argument(metavar="[WORD]...", help="List the models that have all of these in their names.")
]


@command(app, "models", examples="theoryctl models\ntheoryctl models openai mini")
def models(ctx: typer.Context, words: Words = None) -> None:
    """List vendors and their keys, or models and prices.

    Without a word it lists the vendors: the keys that each wants, and whether they are set here. With words it lists
    models: context in tokens, and US dollars per million tokens. They come from LiteLLM's own table.
    """
    from theoryctl.actions.models import list_models

    if words in (["list"], ["ls"]):
        from theoryctl.errors import UsageError
        from theoryctl.hints import again

        message = f"expected a part of the names of models, got {words[0]!r}"
        raise UsageError(message, hint=again("leave it out: it lists all vendors", words=None))
    ctx.obj.emit(list_models(tuple(words or ())))
