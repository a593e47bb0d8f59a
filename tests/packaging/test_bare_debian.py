"""README's commands on a bare Debian, which `debootstrap` makes: with the packages that README names, and no others."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.packaging.clone import fresh_clone
from tests.packaging.test_make import ANSWER

#: In namespaces of its own, so that nothing stays mounted, with what a machine that has booted has in /proc, /sys and
#: /dev/pts. This machine's files are to be read under /mnt there.
ENTER = (
    'mount -o bind "$0" "$0" && '  # namespaces of mounts can be made inside, where its root is a mount
    'mount -o bind,ro / "$0/mnt" && mount -t proc proc "$0/proc" && mount -o bind,ro /sys "$0/sys" && '
    'mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts" && '
    'mount -o bind "$0/dev/pts/ptmx" "$0/dev/ptmx" && '
    'cd / && exec chroot "$0" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"'
)


class Debian:
    """A root folder of Debian bookworm, with the clone in /root/theoryctl."""

    def __init__(self, root: Path) -> None:
        self.root = root
        made = ["debootstrap", "--variant=minbase", "bookworm", str(root)]
        done = subprocess.run(made, capture_output=True, text=True)
        assert done.returncode == 0, f"debootstrap: {done.stdout[-2000:]}{done.stderr}"
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")  # the installer of Debian writes it

    def __call__(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line of shell in the clone as root."""
        inside = [*pip_variables(), "sh", "-c", f"cd /root/theoryctl && {line}"]
        unshare = ["unshare", "--mount", "--pid", "--fork", "sh", "-c", ENTER, str(self.root), *inside]
        return subprocess.run(unshare, capture_output=True, text=True, timeout=1200)


def pip_variables() -> list[str]:
    """This machine's settings of pip, such as its index and its certificates, with paths as they are in there."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    rows = re.findall(r"^(?:global|install|:env:)\.([\w-]+)=(.*)$", listed.stdout, re.MULTILINE)
    # The environment's come first, and win.
    settings = {name: str(ast.literal_eval(value)) for name, value in reversed(rows)}
    return [f"PIP_{name.upper().replace('-', '_')}={as_seen_there(value)}" for name, value in settings.items()]


def as_seen_there(value: str) -> str:
    words = (re.sub(r"^(file://)?/", r"\1/mnt/", word) for word in value.split())
    return " ".join(words)


@pytest.fixture(scope="module")
def debian(bare_debian: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Debian]:
    folder = tmp_path_factory.mktemp("bare")
    root = folder / "debian"
    try:
        made = Debian(root)
        with fresh_clone(folder) as clone:
            shutil.copytree(clone, root / "root/theoryctl", symlinks=True)
        yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def install(debian: Debian, packages: str) -> None:
    apt = "apt-get update -qq && apt-get install -qq -y --no-install-recommends"
    done = debian(f"export DEBIAN_FRONTEND=noninteractive; {apt} {packages} >/dev/null")
    assert done.returncode == 0, done.stderr


def named_in_the_readme() -> str:
    found = re.search(r"`apt-get install ([a-z0-9 -]+)`", (ROOT / "README.md").read_text())
    assert found
    return found[1]


@pytest.mark.timeout(1800)
@pytest.mark.slow("Makefile", "README.md", "requirements-core.lock", "tests/packaging/test_bare_debian.py")
def test_make_run_needs_the_packages_that_the_readme_names_and_heals_what_was_left_without_one(debian: Debian) -> None:
    install(debian, "python3 make")
    without = debian("make run")
    assert without.returncode == 2, without.stdout
    assert "apt-get install python3-venv" in without.stderr
    half_made = debian("! python3 -m venv .venv && test -e .venv/bin/python && ! test -e .venv/bin/pip")
    assert half_made.returncode == 0, half_made.stdout
    install(debian, named_in_the_readme())
    first = debian("make run")
    assert (first.returncode, first.stdout.splitlines()[-1:]) == (0, [ANSWER]), first.stderr


#: Tests of the first day: commands, flags, pages, inputs, attachments. `make test-fast` works there too, but takes ten
#: minutes.
FIRST_DAY = "tests/cli tests/requests tests/test_refs.py tests/test_paths.py"


@pytest.mark.timeout(1800)
@pytest.mark.slow("Makefile", "requirements-dev.lock", "tests/conftest.py", "tests/packaging/test_bare_debian.py")
def test_make_test_sets_up_what_the_tests_need_and_runs_those_of_the_first_day(debian: Debian) -> None:
    install(debian, named_in_the_readme())
    done = debian(f"make test ARGS='{FIRST_DAY}' WORKERS=2")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) > 300, done.stdout[-2000:]
