"""The watch of a run that starts or resumes, by what its earlier attempts have recorded."""

from __future__ import annotations

from db.history import metrics, raised_alarms
from db.paths import home
from db.session import Database
from engine.alarms import thresholds
from engine.alarms.alarm_watch import AlarmWatch

__all__ = ["watch_of"]


def watch_of(db: Database, run_id: int) -> AlarmWatch:
    """The watch of a run, with the thresholds in ``config.toml``; what makes no sense there has its default."""
    limits, _ = thresholds.read(home() / "config.toml")
    raised = {(alarm.kind, alarm.layer) for alarm in raised_alarms.for_run(db, run_id)}
    return AlarmWatch(limits, raised=raised, first=metrics.layer_stats(db, run_id, 0))
