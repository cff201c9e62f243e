from __future__ import annotations

import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from db.records import RunRecord
from db.session import Database
from engine.config.run_config import RunConfig
from itop_tui.export.report import repeat_command, write_report
from itop_tui.export.run_export import export_runs
from itop_tui.figures.x_axis import axis_name
from tests.itop_tui.run.fabricate import record_run, settings

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """What a page holds: its tags, its text, and what its attributes refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def page(db: Database, run: RunRecord, seeds: list[RunRecord], tmp_path: Path) -> str:
    """A page about a run with a hostile name, two seeds and a dense run."""
    write_report(db, [run, *seeds], tmp_path / "page.html", grouped=True)
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_outside(page: str) -> None:
    read = Page(page)
    assert not {"script", "link", "img", "iframe", "object", "use", "image", "a"} & set(read.tags)
    assert not [value for name, value in read.attributes if name in ("src", "href", "xlink:href", "action")]
    assert "url(" not in page
    assert "@import" not in page
    # The only address is the name of the SVG namespace, which nothing fetches.
    assert set(re.findall(r"https?://[^\s\"'<>]*", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page


def test_a_hostile_name_stays_text(page: str, run: RunRecord) -> None:
    assert "<script" not in page
    assert "\x1b" not in page
    assert any("<script>alert(1)</script>" in text for text in Page(page).text), "it is shown as it is"


def test_the_page_holds_plots_tables_settings_and_commands(page: str) -> None:
    read = Page(page)
    text = " ".join(read.text)
    assert read.tags.count("svg") > 10
    for heading in ("Results", "Settings that differ", "Accuracy and what it costs", "Curves", "The runs"):
        assert heading in text
    assert "rigl-*" in text
    assert "itop train" in text
    assert "prefers-color-scheme:dark" in page
    assert read.tags.count("details") == 4


def test_the_command_repeats_the_run(seeds: list[RunRecord]) -> None:
    command = repeat_command(seeds[0])
    assert command is not None
    words = shlex.split(command)
    assert words[:2] == ["itop", "train"]
    assert words[words.index("--seed") + 1] == "1"
    assert words[words.index("--name") + 1] == "rigl-s1"
    assert RunConfig.create(seeds[0].config).density == float(words[words.index("--density") + 1])


def test_the_export_of_runs_writes_the_page_too(db: Database, seeds: list[RunRecord], tmp_path: Path) -> None:
    (path,) = export_runs(db, [run.id for run in seeds], "html", tmp_path)
    assert path == tmp_path / "comparison-1-2-3.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def sections(page: str) -> dict[str, str]:
    """The curves over each thing that can stand across."""
    found = re.split(
        r'<div class="plots over-(\w+)">', page[page.index("<h2>Curves</h2>") : page.index("<h2>The runs")]
    )
    return dict(zip(found[1::2], found[2::2], strict=True))


def choices(page: str) -> list[tuple[str, bool]]:
    """What a reader can choose, and whether it is chosen at first."""
    return [(name, bool(checked)) for name, checked in re.findall(r'id="over-(\w+)"( checked)?>', page)]


def test_a_reader_chooses_steps_epochs_hours_or_explored_weights_without_a_script(page: str) -> None:
    assert choices(page) == [("step", True), ("epoch", False), ("hour", False), ("itop_rate", False)]
    found = sections(page)
    assert list(found) == ["step", "epoch", "hour", "itop_rate"]
    assert len({section.count("<svg") for section in found.values()}) == 1, "the same figures over each"
    assert all(f">{axis_name(across)}</text>" in section for across, section in found.items())
    assert "training time" in found["hour"]
    assert "training time" not in found["step"]
    for across in found:
        assert f"#over-{across}:checked~.over-{across}" in page, "shown by its button alone"


def test_what_was_shown_is_shown_first(db: Database, seeds: list[RunRecord], tmp_path: Path) -> None:
    write_report(db, seeds, tmp_path / "page.html", across="hour")
    assert choices((tmp_path / "page.html").read_text(encoding="utf-8"))[2] == ("hour", True)


def test_what_is_not_known_of_the_runs_cannot_be_chosen(db: Database, tmp_path: Path) -> None:
    begun = [record_run(db, name=f"s{seed}", steps=1, config=settings(seed=seed)) for seed in (1, 2)]
    unknown = [replace(run, total_epochs=0) for run in begun]
    write_report(db, unknown, tmp_path / "page.html", across="hour")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert choices(page) == []
    assert list(sections(page)) == ["step"]
