"""The configuration of a run and its attempts."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from db.records import AttemptRecord
from itop_tui.figures import run_view
from itop_tui.figures.format import duration, moment, plain, plural
from itop_tui.keys import in_brackets
from itop_tui.look.theme import look
from itop_tui.look.toned import Part, TonedLines
from itop_tui.run.config_view import ConfigView
from itop_tui.run.run_reader import RunView


def attempt_lines(attempts: Sequence[AttemptRecord], now: float) -> list[list[Part]]:
    """What is known of each attempt, the latest first."""
    lines: list[list[Part]] = [[("Attempts", "title"), ("  w shows all of each", "faint")]]
    if not attempts:
        lines.append([("  none yet", "muted")])
    for attempt in sorted(attempts, key=lambda each: -each.number):
        seen = look(attempt.status)
        took = (attempt.ended_at if attempt.ended_at is not None else now) - attempt.started_at
        identity = f"pid {attempt.pid}" if attempt.pid else "no process yet"
        lines.append(
            [
                (f"  {attempt.number}  ", "muted"),
                (f"{seen.glyph} {seen.word}", seen.tone),
                (f"  {moment(attempt.started_at)}", "text"),
                (f"  {duration(took)}", "muted"),
                (f"  {plain(attempt.device, 20)}", "text"),
                (f"  {identity}", "muted"),
                (f"  {plain(attempt.host, 60)}", "muted"),
                (f"  from step {attempt.start_step:,}" if attempt.start_step else "", "muted"),
            ]
        )
        if attempt.damaged:
            lines.append([(f"     {run_view.damage(attempt.damaged)}", "bad")])
        ending = [f"exit code {attempt.exit_code}"] if attempt.exit_code is not None else []
        ending += [f"signal {attempt.signal}"] if attempt.signal is not None else []
        if attempt.reason or ending:
            ending_text = "  ".join([plain(attempt.reason or "", 400), *ending]).strip()
            lines.append([("     reason ", "muted"), (ending_text, seen.tone)])
        versions = "  ".join(f"{plain(name, 30)} {plain(v, 30)}" for name, v in sorted(attempt.versions.items()))
        if attempt.commit:
            dirty = " with changes" if attempt.dirty else ""
            versions = f"commit {plain(attempt.commit, 40)[:12]}{dirty}  {versions}"
        if versions:
            lines.append([(f"     {versions}", "muted")])
        kept = [f"{plain(name, 60)}={plain(value, 80)}" for name, value in sorted((attempt.environment or {}).items())]
        if attempt.diff:
            key = in_brackets("run", "provenance")
            kept.insert(0, f"difference of {plural(len(attempt.diff.splitlines()), 'line')} kept{key}")
        if kept:
            lines.append([(f"     {'  '.join(kept)}", "muted")])
        if attempt.command_line:
            lines.append([(f"     $ {plain(attempt.command_line, 400)}", "faint")])
        if attempt.traceback:
            lines += [[(f"     {plain(line, 400)}", "bad")] for line in attempt.traceback.splitlines()[-12:]]
    return lines


class ConfigPane(Vertical):
    """Settings, attempts, and a field to search in the settings."""

    def compose(self) -> ComposeResult:
        """Lay out the pane."""
        with VerticalScroll(id="config-scroll"):
            yield ConfigView(id="config-view")
            yield TonedLines(id="attempts-view")
        search = Input(placeholder="find a setting", id="config-search", compact=True)
        search.display = False
        yield search

    def show(self, view: RunView, now: float) -> None:
        """Show what was read."""
        settings = self.query_one(ConfigView)
        settings.config = view.run.config
        settings.parent_config = view.parent.config if view.parent is not None else None
        self.query_one(TonedLines).lines = attempt_lines(view.attempts, now)

    def action_only_changes(self) -> None:
        """Show only what was changed, or everything."""
        settings = self.query_one(ConfigView)
        settings.only_changes = not settings.only_changes

    def action_search_config(self) -> None:
        """Ask what to find."""
        search = self.query_one("#config-search", Input)
        search.display = True
        search.focus()

    def close_search(self) -> bool:
        """Close the field and show everything again; False where it was not open."""
        search = self.query_one("#config-search", Input)
        was_open = bool(search.display)
        search.value = ""
        search.display = False
        self.query_one("#config-scroll").focus()
        return was_open

    @on(Input.Changed, "#config-search")
    def _filter(self, message: Input.Changed) -> None:
        message.stop()
        self.query_one(ConfigView).needle = message.value

    @on(Input.Submitted, "#config-search")
    def _done(self, message: Input.Submitted) -> None:
        message.stop()
        self.query_one("#config-scroll").focus()
