"""Platforms, as `--platform` takes them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from theoryctl.errors import UsageError
from theoryctl.platforms import host_platform, image_platform, parse_platform, same_platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        (host_platform(), host_platform()),
    ],
)
def test_a_platform_is_in_go_s_words_whatever_the_kernel_calls_the_machine(text: str, platform: str) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/amd64/8", "linux/amd64\n", "a/b/c/d"])
def test_what_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_platform(text)
    assert repr(text) in caught.value.message
    assert caught.value.hint == "write it as os/arch, such as linux/arm64"


def test_arm64_is_the_same_with_its_variant_and_without() -> None:
    assert same_platform("linux/arm64", "linux/arm64/v8")
    assert same_platform("linux/arm64/v8", "linux/arm64")
    assert not same_platform("linux/arm64", "linux/amd64")
    assert not same_platform("linux/arm/v6", "linux/arm/v7")


def test_images_are_of_linux_wherever_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert host_platform().startswith("darwin/")
    assert image_platform() == host_platform().replace("darwin", "linux")


#: Python as on Windows, as far as our modules can see: its name, and what it lacks. Typer has parts for Windows alone,
#: which need more of it, and is loaded before.
WINDOWS = """
import os, signal, sys, typer
sys.platform = "win32"
sys.modules |= dict.fromkeys(("fcntl", "termios", "resource", "pwd", "grp", "uvloop"))
for name in ("geteuid", "getsid", "set_blocking", "O_NONBLOCK", "O_CLOEXEC"):
    delattr(os, name)
for name in ("SIGPIPE", "SIGKILL", "SIGHUP"):
    delattr(signal, name)
from theoryctl.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("arguments", [("local", "run", "hi"), ("local", "start"), ("--version",), ()])
def test_on_windows_every_command_is_one_clear_sentence(
    arguments: tuple[str, ...], environment: dict[str, str]
) -> None:
    done = subprocess.run([sys.executable, "-c", WINDOWS, *arguments], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    sentence = "error ERR_USAGE: theoryctl runs on Linux and macOS; on Windows it runs in WSL"
    assert (done.stdout, done.stderr) == ("", f"{sentence}\n hint: wsl --install\n")


def test_upper_case_letters_are_hinted_in_lower_case() -> None:
    with pytest.raises(UsageError) as caught:
        parse_platform("Linux/AMD64")
    assert caught.value.hint == "use linux/amd64"
