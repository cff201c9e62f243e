"""No page, message, docstring or comment of the project holds a word that readers of plain English stumble over.

The words stand in `PLAIN` with what to write instead. Identifiers are not looked at: comments, string literals
(docstrings and messages among them) and prose are. ``python -m tests.test_plain_english [FOLDER]`` lists every place.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
KINDS = (".py", ".md", ".tcss", ".toml")
SCRIPTS = (".ci/run",)

PLAIN: dict[str, str] = {
    # what was said in other senses
    r"mend(?:s|ed|ing)?": "fix, repair",
    r"told": "reported, shown, set, given",
    r"tells? of": "reports",
    r"(?:is|are|be|been|was|were|being|stays?) away|away for (?:a|some|as|so|\d)": "unavailable, missing",
    r"looks? otherwise": "differs",
    r"(?:go|goes|going|gone|went) on (?:with|from)": "resume, continue",
    r"t(?:ake|akes|aking|ook|aken) hold": "select",
    r"put(?:s|ting)? (?:\w+ ){0,2}away": "archive",
    r"leave it(?= *(?:[\"'.,;:·)]|$))": "cancel, stay out of it",
    r"(?:in|out of) sight": "visible, hidden",
    r"pass(?:ed|ing) over": "ignored, skipped",
    r"keeps? in order": "organize",
    r"as (?:it comes|they come)": "unchanged, default",
    r"(?:hours?|epochs?|steps?|flops|seconds) across": "hours, epochs or steps on the x-axis",
    r"what was recorded of .{0,20}figures|recorded figures?|figures? (?:is|are|was|were) recorded": "metric",
    r"dead neurons?|neurons? without an active weight": "dead outputs",
    r"pruning rate|drop rate|prune rate": "death rate",
    r"(?:is|was) the matter": "is wrong",
    r"see(?:s|n)? to it": "make sure",
    r"to be had": "available",
    r"for good": "permanently",
    r"in vain": "without success",
    r"a moment ago": "just now, the last one",
    r"by and by": "gradually, later",
    r"to and fro": "back and forth",
    r"in peace": "without disturbance",
    r"come(?:s)? to (?:its|their|an) end": "end",
    r"under the bonnet": "the inside",
    # who
    r"nobody(?:'s)?": "no one, no process, unused",
    r"who(?:m)?(?:so)?ever": "the process that, anyone who",
    r"of one's own": "of your own, a custom",
    r"(?:as|what|when|where|while) one (?:types|reads|presses|looks|opens|sees|wants|likes)": "as you type",
    r"heirs?": "runs that were forked from it",
    # archaisms
    r"lest": "so that … not",
    r"whence|thence|hence(?:forth)?|hither(?:to)?|whither|thither": "from where, therefore, until now",
    r"(?:there|here|where)(?:of|in|upon|unto|with)": "of it, in it",
    r"upon": "on",
    r"shall": "must, will",
    r"ought": "should",
    r"naught|aught": "nothing, anything",
    r"anew|afresh": "again",
    r"albeit": "although",
    r"whilst": "while",
    r"amongst": "among",
    r"amidst?": "among, during",
    r"betwixt": "between",
    r"nay|yea|verily|forsooth|perchance|methinks": "leave it out",
    r"untruths?": "wrong record",
    r"rages?": "run",
    r"for ever": "forever",
}
"""A pattern of whole words (any case) → the plain words to choose from."""

ALLOWED: dict[tuple[str, str], str] = {
    ("tests/db/server.py", "nobody"): "the name of a Unix user",
}
"""(file, words found) → why they may stand there."""

_PATTERNS = [re.compile(rf"(?<![\w./$-])(?:{pattern})(?![\w/=(-]|\.\w)", re.IGNORECASE) for pattern in PLAIN]
_ANY = re.compile("|".join(f"(?:{pattern.pattern})" for pattern in _PATTERNS), re.IGNORECASE)


class Place(NamedTuple):
    """Where a word stands.

    Attributes:
        path: The file, relative to the folder that was searched.
        line: Its line, from 1.
        found: The words, as they stand there.
        instead: What to write.
    """

    path: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found!r}; write: {self.instead}"


class _Text(NamedTuple):
    """A piece of text of a file, and the line of each of its lines."""

    lines: list[tuple[int, str]]


def places(folder: Path) -> list[Place]:
    """Return every place in a folder's files, those of `ALLOWED` left out."""
    listed = subprocess.run(
        ["git", "-C", str(folder), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    if not listed:  # not a clone
        listed = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if ".venv" not in path.parts]
    found: list[Place] = []
    for name in listed:
        path = folder / name
        if path.suffix not in KINDS and name not in SCRIPTS:
            continue
        if name != "tests/test_plain_english.py" and path.is_file():
            found.extend(places_in(name, path.read_text(encoding="utf-8")))
    return [place for place in found if (place.path, place.found) not in ALLOWED]


def places_in(name: str, source: str) -> list[Place]:
    """Return every place in one file's text."""
    texts = _python(source) if name.endswith(".py") else _prose(source)
    found = {place for text in texts for place in _search(name, text)}
    return sorted(found, key=lambda place: (place.line, place.found))


def _search(name: str, text: _Text) -> Iterator[Place]:
    """The places in one text; a phrase may be broken over lines."""
    joined, starts = "", []
    for line, content in text.lines:
        starts.append((len(joined), line))
        joined += " ".join(content.split()) + " "
    if _ANY.search(joined) is None:
        return
    for pattern, instead in zip(_PATTERNS, PLAIN.values(), strict=True):
        for match in pattern.finditer(joined):
            line = next(line for start, line in reversed(starts) if start <= match.start())
            yield Place(name, line, match.group().lower(), instead)


def _prose(source: str) -> Iterator[_Text]:
    """Paragraphs."""
    paragraph: list[tuple[int, str]] = []
    for number, line in enumerate(source.splitlines(), start=1):
        if line.strip():
            paragraph.append((number, line.lstrip("#>*- ")))
        elif paragraph:
            yield _Text(paragraph)
            paragraph = []
    if paragraph:
        yield _Text(paragraph)


def _python(source: str) -> Iterator[_Text]:
    """Comments, those of neighbouring lines as one, and string literals, joined ones as one."""
    block: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if block and block[-1][0] != token.start[0] - 1:
                yield _Text(block)
                block = []
            block.append((token.start[0], token.string.lstrip("#: ")))
    if block:
        yield _Text(block)
    lines = source.splitlines()
    yield from _literals(ast.parse(source), lines)


def _literals(node: ast.AST, source: list[str]) -> Iterator[_Text]:
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield _literal(node, node.value, source)
        return
    if isinstance(node, ast.JoinedStr):
        parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
        yield _literal(node, "".join(parts), source)
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from _literals(child, source)


def _literal(node: ast.Constant | ast.JoinedStr, value: str, source: list[str]) -> _Text:
    """A literal's lines: those of a docstring one by one, those of joined literals where their words stand."""
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = value.split("\n")
    if len(lines) == last - first + 1:
        return _Text([(first + index, line) for index, line in enumerate(lines)])
    words: list[tuple[int, str]] = []
    at = first
    for word in value.split():
        at = next((line for line in range(at, last + 1) if word in source[line - 1]), at)
        words.append((at, word))
    return _Text(words)


def test_no_file_holds_a_word_that_is_not_plain() -> None:
    found = places(ROOT)
    assert not found, "\n".join(["words that are not plain English:", *map(str, found)])


def test_every_exception_is_used() -> None:
    stale = [
        (name, words)
        for name, words in ALLOWED
        if words not in {place.found for place in places_in(name, (ROOT / name).read_text(encoding="utf-8"))}
    ]
    assert not stale, f"ALLOWED names what does not stand there: {stale}"


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("a.py", '"""Says what\n    is the\n    matter."""\n', [(2, "is the matter")]),
        ("a.py", "told = 1  # a comment\n", []),
        ("a.py", "x = 1  # what one is told\n", [(1, "told")]),
        ("a.py", "# a file that is\n# away is an error\n", [(1, "is away")]),
        ("a.py", "f(\n    'Nothing was '\n    'told.',\n)\n", [(3, "told")]),
        ("a.py", "f(f'{told} of {told!r}')\n", []),
        ("a.py", "f(f'{told} was Told')\n", [(1, "told")]),
        ("a.py", "patch('itop_tui.told', 'told.py', 'un-told', '$told')\n", []),
        ("a.md", "an archive is\nput away, at 2 seconds away\n", [(2, "put away")]),
        ("a.md", "It would leave it dense, or leave it.\n", [(1, "leave it")]),
        ("a.tcss", "/* lest it shows */\n", [(1, "lest")]),
        ("a.toml", 'name = "the latest molest"\n', []),
    ],
)
def test_the_search_finds_words_of_prose_and_no_others(name: str, source: str, expected: list[tuple[int, str]]) -> None:
    assert [(place.line, place.found) for place in places_in(name, source)] == expected


def main() -> None:
    """List every place of a folder, as ``path:line: words -> plain words``."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    for place in places(folder):
        print(f"{place.path}:{place.line}: {place.found}  -> {place.instead}")


if __name__ == "__main__":
    main()
