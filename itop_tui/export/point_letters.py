"""Where the letters of points stand, so that none hides another."""

from __future__ import annotations

import math
from collections.abc import Sequence

Place = tuple[float, float]
RADIUS = 8.0
"""Of the disc that holds a letter, in pixels."""
_DIRECTIONS = tuple(math.radians(angle) for angle in (295, 245, 65, 115, 0, 180))
"""Where a disc is tried; not right above or below its point, where it would stand on the bar like a value."""
_REACHES = (2.4 * RADIUS, 3.6 * RADIUS, 4.8 * RADIUS)


def apart(points: Sequence[Place], box: tuple[float, float, float, float]) -> list[Place]:
    """Where the disc of each point stands: on it, or beside it where it would hide another point or its disc.

    Args:
        points: The points, in pixels.
        box: The left, top, right and bottom edge of what discs may stand in.

    Returns:
        The middle of each disc; that of a point for which there is no room stands on the point.
    """
    placed: list[Place] = []
    for point in points:
        taken = [*placed, *(other for other in points if other != point)]
        beside = (
            (point[0] + reach * math.cos(angle), point[1] + reach * math.sin(angle))
            for reach in _REACHES
            for angle in _DIRECTIONS
        )
        free = (
            spot
            for spot in beside
            if _inside(spot, box)
            and all(math.dist(spot, other) >= 2 * RADIUS for other in taken)
            # The line from the point to its disc goes behind no other one; only from under one does it come.
            and all(_distance(other, point, spot) >= RADIUS for other in taken if math.dist(other, point) >= RADIUS)
        )
        # The first of points that lie together stays on its place.
        alone = all(math.dist(point, other) >= 2 * RADIUS for other in placed)
        placed.append(point if alone else next(free, point))
    return placed


def _distance(place: Place, start: Place, end: Place) -> float:
    """How far a place is from the line between two others."""
    along, up = end[0] - start[0], end[1] - start[1]
    share = ((place[0] - start[0]) * along + (place[1] - start[1]) * up) / (along * along + up * up)
    share = min(1.0, max(0.0, share))
    return math.dist(place, (start[0] + share * along, start[1] + share * up))


def _inside(spot: Place, box: tuple[float, float, float, float]) -> bool:
    left, top, right, bottom = box
    return left + RADIUS <= spot[0] <= right - RADIUS and top + RADIUS <= spot[1] <= bottom - RADIUS
