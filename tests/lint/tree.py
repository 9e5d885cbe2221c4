# SPDX-License-Identifier: Apache-2.0
"""The project's files as the lint sees them: what git tracks or would track, and C without its
comments and strings, so that a rule about code never trips over prose."""
import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
C_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


@functools.lru_cache
def files() -> tuple:
    """Every file of the project, relative to its top."""
    try:
        listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                                check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")
                  if not any(part.startswith((".git", ".state", "build", "__pycache__")) for part in path.relative_to(ROOT).parts[:-1])]
    return tuple(sorted(name for name in listed if name and (ROOT / name).is_file()))


def c_files() -> list:
    return [name for name in files() if name.endswith((".c", ".h"))]


def product_c_files() -> list:
    return [name for name in c_files() if not name.startswith("tests/")]


@functools.lru_cache(maxsize=None)
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def _blank(match: re.Match) -> str:
    found = match.group(0)
    lines = "\n" * found.count("\n")
    if found.startswith(("/*", "//")):
        return " " + lines
    return found[0] * 2 + lines


@functools.lru_cache(maxsize=None)
def code(name: str) -> str:
    """The C text with comments blanked and literals emptied; line numbers stay."""
    return C_TOKEN.sub(_blank, text(name))


def includes(name: str) -> list:
    """(line, quoted, header) of each #include."""
    body = text(name)
    return [(body.count("\n", 0, m.start()) + 1, m.group(1) == '"', m.group(2)) for m in INCLUDE.finditer(body)]


def search(name: str, body: str, pattern: str) -> list:
    """Lines of `body` that match, as "file:line: text"."""
    lines = text(name).split("\n")
    return [f"{name}:{(number := body.count(chr(10), 0, m.start()) + 1)}: {lines[number - 1].strip()[:100]}"
            for m in re.finditer(pattern, body)]
