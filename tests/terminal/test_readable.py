"""Answers that can be copied, colours that can be read, and as many words as are wanted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich._palettes import EIGHT_BIT_PALETTE

from tests.conftest import REF, ROOT, Cli
from theoryctl.terminal.format import duration_words
from theoryctl.terminal.log_lines import readable_line

RUN = ("local", "run", "--ref", REF, "--mode", "mock")
SGR = re.compile(r"\x1b\[([0-9;]*)m")
SHOWN = {"FORCE_COLOR": "1", "COLUMNS": "40", "TERM": "xterm-256color"}

CODE = "for name in range(10): print(name, 'a line of code that is longer than the terminal is wide')"
ANSWER = f"""Text that is long enough to be wrapped at forty columns.

```python
{CODE}

    indented()
```

- an item

  ```
  {CODE}
  ```

> ```
> {CODE}
> ```
"""


@pytest.fixture
def scripted(tmp_path: Path) -> tuple[str, ...]:
    """A script whose answer is Markdown with code in it."""
    indented = ANSWER.replace("\n", "\n      ")
    (tmp_path / "code.yaml").write_text(f"rules:\n- answers:\n  - text: |\n      {indented}")
    return ("--script", str(tmp_path / "code.yaml"))


def test_a_line_of_code_is_one_line_as_it_was_written_wherever_it_stands(cli: Cli, scripted: tuple[str, ...]) -> None:
    out = cli(*RUN, *scripted, "x", env=SHOWN).out
    lines = SGR.sub("", out).splitlines()
    assert [line for line in lines if CODE in line] == [CODE, f"   {CODE}", f"▌ {CODE}"]
    assert "    indented()" in lines
    assert "Text that is long enough to be wrapped" in lines


def test_raw_shows_the_text_at_a_terminal_too(cli: Cli, scripted: tuple[str, ...]) -> None:
    plain = cli(*RUN, *scripted, "x").out
    assert plain == f"{ANSWER}\n"
    assert cli(*RUN, *scripted, "x", "--raw", env=SHOWN).out == plain


def test_json_is_coloured_and_not_cut(cli: Cli) -> None:
    key = "a key that is longer than the terminal is wide"
    schema = {"type": "object", "properties": {key: {"type": "integer"}}, "required": [key]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    out = cli(*RUN, "x", "-o", f"response_format={json.dumps(wanted)}", env=SHOWN).out
    assert SGR.search(out)
    assert SGR.sub("", out).splitlines()[1].startswith(f'  "{key}": ')


def luminance(colour: int) -> float:
    """Relative luminance (WCAG 2.2) of one of xterm's 256 colours."""
    parts = [part / 255 for part in EIGHT_BIT_PALETTE[colour]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("term", ["xterm-256color", "screen"])
def test_every_colour_has_contrast_enough_on_white_and_on_black(
    theoryctl: Cli, scripted: tuple[str, ...], term: str
) -> None:
    # In a process of its own: a style of rich keeps the codes of the first terminal that it was drawn for.
    env = {**SHOWN, "TERM": term}
    shown = [
        theoryctl(*RUN, *scripted, "x", env=env),
        theoryctl("manifest", "show", "llm/litelm@1", env=env),
        theoryctl("manifest", "list", env=env),
        theoryctl("manifest", "show", REF, "--schema", env=env),
    ]
    codes = {code for ran in shown for code in SGR.findall(ran.out + ran.err)}
    colours = {int(number) for code in codes for number in re.findall(r"38;5;(\d+)", code)}
    assert len(colours) >= 3
    for colour in colours:
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5 and (luminance(colour) + 0.05) / 0.05 >= 4.5
    # No colour of the terminal's own palette, no background, and nothing dim: nobody knows how that looks.
    rest = {part for code in codes for part in re.sub(r"38;5;\d+", "", code).split(";")} - {""}
    assert rest <= {"0", "1", "3", "4", "7"}


@pytest.mark.parametrize(("variable", "value", "is_forced"), [("FORCE_COLOR", "1", True), ("FORCE_COLOR", "0", False)])
def test_force_color_counts_in_a_pipe(cli: Cli, variable: str, value: str, is_forced: bool) -> None:
    assert bool(SGR.search(cli("manifest", "list", env={variable: value}).out)) is is_forced


def test_no_color_is_a_flag_of_every_command_and_of_this_call_alone(cli: Cli) -> None:
    wide = {**SHOWN, "COLUMNS": "80"}
    for arguments in (("manifest", "list", "--no-color"), ("--no-color", "manifest", "list")):
        assert not SGR.search(cli(*arguments, env=wide).out)
    assert SGR.search(cli("manifest", "list", env=wide).out)


def test_quiet_leaves_the_answer_and_errors(cli: Cli) -> None:
    ran = cli(*RUN, "x", "--quiet")
    assert (ran.out.startswith("Mock answer"), ran.err) == (True, "")
    assert cli("local", "run", "x", "--mode", "moc", "--quiet").err.startswith("error ERR_USAGE")
    assert cli(*RUN, "x").err


@pytest.mark.parametrize(("folder_columns"), [30, 60])
def test_a_ref_is_never_cut(cli: Cli, tmp_path: Path, folder_columns: int) -> None:
    ref = f"{'n' * 40}/{'m' * 40}@1"
    file = tmp_path / f"{ref}.yaml"
    file.parent.mkdir()
    file.write_text((ROOT / "manifests/llm/mock@1.yaml").read_text().replace("llm/mock@1", ref))
    out = cli("manifest", "list", "--manifests", str(tmp_path), env={**SHOWN, "COLUMNS": str(folder_columns)}).out
    assert ref in SGR.sub("", out) and "llm/litellm@1" in SGR.sub("", out)


def test_a_list_of_runs_takes_a_line_a_run_at_eighty_columns(cli: Cli) -> None:
    env = {**SHOWN, "COLUMNS": "80", "THEORYCTL_LEDGER": "mock"}
    for text in ("one", "two"):
        cli(*RUN, text, env=env)
    cli("local", "run", "--ref", REF, "--mode", "real", "--prompt", "x", env=env)
    lines = SGR.sub("", cli("runs", "list", env=env).out).strip().splitlines()
    assert lines[0].split() == ["run", "time", "model", "in/out", "cost", "code"]
    assert len(lines) == 5 and max(map(len, lines)) <= 80
    assert lines[2].split()[-1] == "ERR_MISSING_SECRET"
    assert len(cli("runs", "list").out.splitlines()[0].split("\t")) == 9


def test_a_list_of_vendors_takes_a_line_a_vendor_at_eighty_columns(cli: Cli) -> None:
    vendors = len(cli("models").out.splitlines())
    lines = SGR.sub("", cli("models", env={**SHOWN, "COLUMNS": "80"}).out).strip().splitlines()
    assert (lines[0].split(), len(lines)) == (["vendor", "wants", "set", "models"], vendors + 2)
    assert max(map(len, lines)) <= 80
    assert lines[2].split()[:3] == ["openai", "OPENAI_API_KEY", "no"]


def test_a_wider_terminal_shows_where_to_get_a_key_too(cli: Cli) -> None:
    lines = SGR.sub("", cli("models", env={**SHOWN, "COLUMNS": "130"}).out).strip().splitlines()
    assert lines[2].split()[-1] == "platform.openai.com/api-keys"


@pytest.mark.parametrize("columns", [102, 120])
def test_a_column_is_left_out_only_where_folding_between_words_is_not_enough(cli: Cli, columns: int) -> None:
    lines = SGR.sub("", cli("models", env={**SHOWN, "COLUMNS": str(columns)}).out).splitlines()
    assert max(map(len, lines)) <= columns
    addresses = [row.split("\t")[4].removeprefix("https://") for row in cli("models").out.splitlines()]
    assert {line.split()[-1] for line in lines if line}.issuperset(addresses)
    assert any(line.split() == ["AZURE_API_VERSION"] for line in lines)


def test_a_value_in_a_block_goes_on_below_itself(cli: Cli) -> None:
    out = SGR.sub("", cli("models", env={**SHOWN, "COLUMNS": "30"}).out)
    (block,) = [block for block in out.split("\n\n") if block.startswith("vendor  azure\n")]
    assert all(re.match(r"(vendor|wants|set|models)  +\S| {8}\S", line) for line in block.splitlines())
    assert all(len(line) <= 30 for line in block.splitlines())


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_doctor_breaks_between_words_and_its_commands_can_be_copied(cli: Cli, columns: int) -> None:
    wrong = {"DOCKER_HOST": f"unix:///nowhere/{'x' * 30}.sock", "THEORYCTL_MODE": "moc"}
    lines = SGR.sub("", cli("doctor", env={**SHOWN, **wrong, "COLUMNS": str(columns)}).out).splitlines()
    whole = SGR.sub("", cli("doctor", env=wrong).out).splitlines()
    # A path stays whole, however long it is.
    assert all(len(line) <= columns or "/" in line.split()[-1] for line in lines if not line.startswith("  run: "))
    assert [line for line in lines if line.startswith("  run: ")] == [line for line in whole if line[:7] == "  run: "]
    # Broken or not, the words are the same, but for the free space, which other programs change.
    assert _words(lines) == _words(whole)


def _words(lines: list[str]) -> list[str]:
    return [word for word in " ".join(lines).split() if not word[0].isdigit()]


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(0.84, "0.8 ms"), (85, "85 ms"), (999, "999 ms"), (1000, "1.0 s"), (61_400, "61 s"), (12_340, "12.3 s")],
)
def test_a_time_above_a_second_is_in_seconds(milliseconds: float, words: str) -> None:
    assert duration_words(milliseconds) == words
    line = f'{{"time": 1, "run_id": "x", "status": 200, "model": "m", "duration_ms": {milliseconds}}}'
    assert words in readable_line(line)


def test_a_note_breaks_between_words_at_a_terminal_and_nowhere_else(cli: Cli) -> None:
    note = "embedded: no instance of llm/mock@1 is started"
    run = ("local", "run", "--ref", "llm/mock@1", "Hi")
    shown = SGR.sub("", cli(*run, env=SHOWN).err)
    assert all(len(line) <= 40 for line in shown.splitlines()) and note in " ".join(shown.split())
    assert note in cli(*run).err.splitlines()
