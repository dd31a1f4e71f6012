"""No shell ever reads what Estiva runs: commands are lists of words, so no value can become a second command."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("bin", "dashboard", "deployments", "worker", "tests", "bench")
SHELL_CALLS = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
    "pty.spawn",
}


def sources() -> Iterator[Path]:
    """Every Python file of ours, scripts included."""
    yield ROOT / "manage.py"
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            script = path.parent == ROOT / "bin" and path.is_file()
            if path.suffix == ".py" or script:
                yield path


def dotted(node: ast.expr) -> str:
    """A call's name as written, `os.system`; only the last word where the rest is an expression."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            before = dotted(value)
            return f"{before}.{name}" if before else name
    return ""


def shell_calls(source: str) -> list[str]:
    """What in this source would hand a text to a shell, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [f"line {node.lineno}: imports {name}" for name in names if name in SHELL_CALLS]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in SHELL_CALLS:
            found.append(f"line {node.lineno}: {name}")
        if any(word.arg == "shell" and not _is_false(word.value) for word in node.keywords):
            found.append(f"line {node.lineno}: {name}(shell=…)")
        if name.rpartition(".")[2] == "exec_command" and any(
            isinstance(word, ast.JoinedStr | ast.BinOp) for word in node.args
        ):
            found.append(f"line {node.lineno}: {name} of a text put together")
    return found


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_shell(path: Path) -> None:
    assert shell_calls(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import subprocess\nsubprocess.run(words, shell=anything)",
        "import os\nos.system(command)",
        "from os import popen",
        "from subprocess import getoutput",
        "channel.exec_command(f'docker pull {image}')",
        "transport.open_session().exec_command('df ' + path)",
    ],
)
def test_a_shell_call_is_seen(source: str) -> None:
    assert len(shell_calls(source)) == 1


def test_a_list_of_words_is_fine() -> None:
    assert (
        shell_calls("import subprocess\nsubprocess.run(['ls', name], shell=False)\nchannel.exec_command(quoted(words))")
        == []
    )
