"""How scenes are recorded: one text file for each scene, and a picture (SVG) where only a picture shows the point.

Both lie below `__snapshots__` under the scene's own name. `--snapshot-update` writes them and removes those of scenes
that no longer exist. pytest-xdist's processes do not know each other's scenes, so a test (`test_no_file_is_left_over`)
does the removing instead of the plugin.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_textual_snapshot import SVGImageExtension, normalize_svg
from syrupy.assertion import SnapshotAssertion
from syrupy.data import Snapshot, SnapshotCollection
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

from tests.itop_tui.scenes.stage import Size

_FOLDER = Path(__file__).parent / "__snapshots__"
_TEST = re.compile(r"(\w+)\[(.+)\]")
"""The name of a test, `test_text[list]`, and of a snapshot, `test_picture[list-dark]`."""


def _parts_of(text: str) -> tuple[str, str]:
    found = _TEST.fullmatch(text)
    assert found is not None, text
    return found[1], found[2]


class _NamedByScene(SingleFileSnapshotExtension):
    """Names a file by its scene: `list.txt` instead of `test_text[list].txt`."""

    _write_mode = WriteMode.TEXT
    _test = ""

    @classmethod
    def _get_file_basename(cls, *, test_location: PyTestLocation, index: Any) -> str:
        return _parts_of(cls.get_snapshot_name(test_location=test_location, index=index))[1]

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: Any = 0) -> str:
        """Has the name given to the snapshot, or else the scene's."""
        test, scene = _parts_of(test_location.testname)
        return f"{test}[{index if isinstance(index, str) else scene}]"

    def _read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        collection = SnapshotCollection(location=snapshot_location)
        collection.add(Snapshot(name=f"{self._test}[{Path(snapshot_location).stem}]"))
        return collection


class TextFile(_NamedByScene):
    """The text of a scene."""

    _file_extension = "txt"
    _test = "test_text"


class PictureFile(_NamedByScene, SVGImageExtension):
    """A picture of a scene."""

    _file_extension = "svg"
    _test = "test_picture"


def page(texts: Mapping[Size, str]) -> str:
    """What is recorded of a scene: its text at each size, one below the other."""
    return "".join(f"─── {width}×{height} ───\n{text}\n" for (width, height), text in texts.items())


def recorded(snapshot: SnapshotAssertion) -> str:
    """What the last comparison found in the file; empty without a file."""
    return str(snapshot.executions[snapshot.num_executions - 1].recalled_data or "")


def difference(before: str, now: str) -> str:
    """The lines that differ, each part under the size it belongs to."""
    parts = []
    old, new = _by_size(before), _by_size(now)
    for size in new | old:
        lines = difflib.unified_diff(old.get(size, []), new.get(size, []), "recorded", "now", lineterm="", n=1)
        changed = [line for line in lines if not line.startswith(("---", "+++"))]
        if changed:
            parts.append("\n".join([f"at {size}:", *changed]))
    return "\n".join(parts)


def _by_size(text: str) -> dict[str, list[str]]:
    sizes: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("─── ") and line.endswith(" ───"):
            sizes[line.strip("─ ")] = []
        else:
            sizes.setdefault(next(reversed(sizes), ""), []).append(line)
    return sizes


def picture_difference(before: str, now: str) -> str:
    """The texts and grounds of a picture that differ, each with its line on the screen, its place and its style."""
    old, new = _texts_and_grounds(before), _texts_and_grounds(now)
    lines = difflib.unified_diff(old, new, "recorded", "now", lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


_STYLE = re.compile(r"\.terminal-(r\d+) \{ ([^}]*) \}")
_PART = re.compile(
    r'<rect fill="(?P<ground>[^"]+)" x="(?P<rx>[\d.]+)" y="(?P<ry>[\d.]+)" width="(?P<width>[\d.]+)"'
    r'|<text class="terminal-(?P<style>r\d+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)"[^>]*>(?P<text>[^<]*)<'
)


def _texts_and_grounds(svg: str) -> list[str]:
    """The parts of a picture, readable: text with its style, ground with its width."""
    styles = dict(_STYLE.findall(normalize_svg(svg)))
    parts = []
    for found in _PART.finditer(normalize_svg(svg)):
        if found["ground"]:
            parts.append(f"line {_line(found['ry'])} x {found['rx']}: {found['width']} wide on {found['ground']}")
        else:
            text = found["text"].replace("&#160;", " ").rstrip()
            if text:
                parts.append(f"line {_line(found['y'])} x {found['x']}: {text!r} {styles.get(found['style'], '')}")
    return parts


def _line(y: str) -> int:
    return int(float(y) / 24.4) + 1


def left_over(kind: str, names: Iterable[str]) -> list[Path]:
    """The recorded files of a kind (`txt`, `svg`) whose names are not among those given."""
    known = set(names)
    return sorted(path for path in _FOLDER.rglob(f"*.{kind}") if path.stem not in known)
