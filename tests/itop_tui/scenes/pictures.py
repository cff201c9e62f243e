"""The pictures, and why each is one: what it shows cannot be read in the scene's text.

The text of every scene is recorded anyway; a picture is added for colours, shapes drawn in colour, and what lies over
something else. Four themes are pictured on the list, the charts and the heat map, where colour carries most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from itop_tui.look import theme
from tests.itop_tui.scenes.scene import Scene
from tests.itop_tui.scenes.stage import SIZES, Size
from tests.itop_tui.scenes.table import SCENES

SMALL, MEDIUM, _ = SIZES
THEMES = {
    "dark": theme.DARK.name,
    "light": theme.LIGHT.name,
    "contrast": theme.CONTRAST.name,
    "16": theme.SIXTEEN.name,
}
"""A short name for each theme of the app."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a scene.

    Attributes:
        scene: The scene's name.
        theme: A short name of a theme, one of `THEMES`.
        size: Columns and lines.
        reason: What only the picture shows.
    """

    scene: str
    theme: str
    size: Size
    reason: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.scene}-{self.theme}"


def _in_each_theme(scene: str, size: Size, reason: str) -> Iterator[Picture]:
    return (Picture(scene, name, size, f"{reason}, in the theme {name}") for name in THEMES)


PICTURES: tuple[Picture, ...] = (
    *_in_each_theme("list", SMALL, "a colour for each state, the cursor and a selected run"),
    Picture("list-uncoloured", "dark", SMALL, "NO_COLOR: nothing but the terminal's own two colours, reversed"),
    Picture("list-marking-a-range", "dark", SMALL, "a range being selected, beside the cursor"),
    Picture("list-groups", "dark", MEDIUM, "groups and the runs in them; loss curves in the list and in the details"),
    Picture("list-filter", "dark", SMALL, "the filter's completion over the list, its chosen line and what is typed"),
    Picture("list-filter-mistake", "light", SMALL, "the wrong part of a filter marked where it stands"),
    Picture("list-toast", "dark", SMALL, "a notification over the list"),
    Picture("list-trouble", "dark", SMALL, "the banner of a database that cannot be read"),
    Picture("confirm-delete", "dark", SMALL, "a question over a dimmed screen"),
    Picture("columns", "light", SMALL, "a list to choose from over a dimmed screen, chosen lines and the cursor"),
    Picture("queue", "dark", MEDIUM, "a device's load and memory as bars and curves, and a device that failed"),
    Picture("form-mistake", "dark", MEDIUM, "a wrong field, changed fields and fields without effect"),
    Picture("form-sweep", "light", MEDIUM, "a list in a field, and the plan with its bars"),
    *_in_each_theme("run-charts", SMALL, "curves, their smoothed line, the grid, marks of epochs and mask updates"),
    Picture("run-chart-full", "dark", MEDIUM, "one chart with all marks, raw points pale below the smoothed line"),
    Picture("run-forked", "dark", SMALL, "the parent's curve in another tone before the run's own"),
    Picture("run-diverged", "dark", SMALL, "the mark where a loss became NaN"),
    *_in_each_theme("run-heat-map", SMALL, "values as colours, and the scale of colours"),
    Picture("mask", "dark", SMALL, "active, grown and explored weights by colour"),
    Picture("mask-glyphs", "light", SMALL, "the same by glyphs"),
    Picture("compare-groups", "dark", MEDIUM, "mean and band of each group, each in its colour"),
    Picture("compare-curves", "light", SMALL, "six runs distinguished by colour on a light ground"),
    Picture("compare-scatter", "dark", SMALL, "points by colour and glyph, with their spread"),
    Picture("compare-masks", "dark", SMALL, "a matrix of overlaps as colours"),
)


def pictures_of(scene: Scene) -> list[Picture]:
    """The pictures of a scene, in the order that changes size and theme least."""
    return sorted((one for one in PICTURES if one.scene == scene.name), key=lambda one: (one.size, one.theme))


PICTURED: tuple[Scene, ...] = tuple(scene for scene in SCENES if pictures_of(scene))
"""The scenes with a picture."""
