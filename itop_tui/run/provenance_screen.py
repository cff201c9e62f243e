"""Where an attempt came from: commit, what the working tree differed by, versions, variables, command, ending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from db.records import AttemptRecord
from itop_tui.figures.format import duration, moment, plain
from itop_tui.look.theme import Tone, look
from itop_tui.look.toned import Part, TonedLines
from itop_tui.service.code_review import CodeReview
from itop_tui.widgets.key_bar import KeyBar, KeyHint
from itop_tui.widgets.leaving import Dialog

_FILES = 40
_LONGEST = 2_000
"""Lines of a difference or a traceback that are shown; a person who needs more has the commit."""


def _section(title: str, lines: Sequence[list[Part]]) -> list[list[Part]]:
    return [[(title, "title")], *(lines or [[("  not recorded", "muted")]]), []]


def _diff_tone(line: str) -> Tone:
    if line.startswith(("+++", "---", "diff ", "index ")):
        return "muted"
    if line.startswith("@@"):
        return "accent"
    return "good" if line.startswith("+") else "bad" if line.startswith("-") else "text"


def _cut(text: str, tone: Tone | None = None) -> list[list[Part]]:
    lines = text.splitlines()
    shown: list[list[Part]] = [[(plain(line, 500), tone or _diff_tone(line))] for line in lines[:_LONGEST]]
    if len(lines) > _LONGEST:
        shown.append([(f"… and {len(lines) - _LONGEST:,} more lines", "muted")])
    return shown


def _code_lines(review: CodeReview | None) -> list[list[Part]]:
    """The files of the user's own code, and which of them changed."""
    if review is None:
        return []
    lines: list[list[Part]] = []
    for file in review.files[:_FILES]:
        kept = "" if file.text is not None else "  only the checksum is kept"
        outside = "  in no commit" if file.tracked is False else ""
        name = plain(review.names([file.path]), 200)
        lines.append([(f"  {name} ", "text"), (f"{file.sha256[:12]}{kept}{outside}", "muted")])
    if len(review.files) > _FILES:
        lines.append([(f"  and {len(review.files) - _FILES:,} more files", "muted")])
    for what, changed in (
        ("changed between queueing and start", review.before_start),
        ("changed since", review.since),
    ):
        if changed:
            names = plain(review.names([one.path for one in changed]), 400)
            lines.append([(f"  {what}: {names}", "warn")])
    return lines


def provenance_lines(attempt: AttemptRecord, review: CodeReview | None = None) -> list[list[Part]]:
    """Everything that is known of an attempt, and of its code where that was read."""
    seen = look(attempt.status)
    ended = f"  {moment(attempt.ended_at)}" if attempt.ended_at is not None else ""
    ending: list[list[Part]] = [[(f"  {seen.glyph} {seen.word}", seen.tone), (ended, "text")]]
    if attempt.ended_at is not None:
        ending[0].append((f"  after {duration(attempt.ended_at - attempt.started_at)}", "muted"))
    if attempt.exit_code is not None:
        ending.append([(f"  exit code {attempt.exit_code}", "text")])
    if attempt.signal is not None:
        ending.append([(f"  signal {attempt.signal}", "text")])
    if attempt.reason:
        ending.append([(f"  {plain(attempt.reason, 600)}", seen.tone)])
    where = (("host", attempt.host), ("device", attempt.device), ("pid", attempt.pid), ("boot", attempt.boot_id))
    place: list[list[Part]] = [
        [(f"  {name} ", "muted"), (plain(str(value), 200), "text")] for name, value in where if value is not None
    ]
    tree = {True: "the working tree had changes, below", False: "the working tree was clean", None: ""}[attempt.dirty]
    commit: list[list[Part]] = (
        [[(f"  {plain(attempt.commit, 60)}", "text"), (f"  {tree}", "muted")]] if attempt.commit else []
    )

    def table(values: Mapping[str, str]) -> list[list[Part]]:
        return [
            [(f"  {plain(name, 60)} ", "muted"), (plain(str(values[name]), 400), "text")] for name in sorted(values)
        ]

    lines = _section("Ending", ending) + _section("Where", place)
    command = plain(attempt.command_line or "", 4_000)
    lines += _section("Command line", [[(f"  {command}", "text")]] if command else [])
    lines += _section("Commit", commit) + _section("Versions", table(attempt.versions))
    lines += _section("Environment", table(attempt.environment or {}))
    if code := _code_lines(review):
        lines += _section("Code", code)
    if review is not None and (changed := review.difference(attempt.commit)):
        lines += _section("What no commit holds, and what changed", _cut(changed))
    if attempt.diff:
        lines += _section("What the working tree differed by", _cut(attempt.diff))
    if attempt.traceback:
        lines += _section("Traceback", _cut(attempt.traceback, "bad"))
    return lines


class ProvenanceScreen(Dialog[None]):
    """Shows one attempt of a run at a time (there is at least one), the latest first."""

    CSS_PATH = "provenance.tcss"
    BINDINGS: ClassVar = [
        ("escape,q,enter,W", "leave", "close"),
        ("left_square_bracket,left,h", "step(-1)", "attempt before"),
        ("right_square_bracket,right,l", "step(1)", "next attempt"),
    ]

    def __init__(self, attempts: Sequence[AttemptRecord]) -> None:
        super().__init__()
        self._reviews: Mapping[int, CodeReview] = {}
        self._attempts = sorted(attempts, key=lambda attempt: attempt.number)
        self.at = len(self._attempts) - 1

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with Vertical(id="provenance"):
            with VerticalScroll():
                yield TonedLines()
            yield KeyBar(
                KeyHint("↑ ↓", "scroll"),
                KeyHint("[ ]", "other attempts", "screen.step(-1)"),
                KeyHint("esc", "close", "screen.leave"),
            )

    def on_mount(self) -> None:
        """Show the latest attempt."""
        self.query_one(VerticalScroll).focus()
        self.action_step(0)

    def action_step(self, by: int) -> None:
        """Show another attempt."""
        self.at = min(max(self.at + by, 0), len(self._attempts) - 1)
        attempt = self._attempts[self.at]
        self.query_one("#provenance").border_title = f"attempt {attempt.number} of {len(self._attempts)}"
        self._show()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def show_code(self, reviews: Mapping[int, CodeReview]) -> None:
        """Show the code of each attempt too, by the attempt's number."""
        self._reviews = reviews
        if self.is_mounted:
            self._show()

    def _show(self) -> None:
        attempt = self._attempts[self.at]
        self.query_one(TonedLines).lines = provenance_lines(attempt, self._reviews.get(attempt.number))
