"""The thread that watches the database, so that no screen ever has to.

The thread asks five times a second whether anything was committed (`Database.data_version`, a pragma, microseconds),
reads the page of runs that is on the screen when something was, and posts one frozen `Snapshot`. Screens redraw from
snapshots; they never query on the event loop. Runs that train commit all the time: after a page was read, the next one
is read more than half a second later, unless a person did something. The same thread settles runs whose process is
gone every other second, so that a run killed while no scheduler lives is still shown truthfully.

A database that fails does not end the thread: it posts `DatabaseTrouble`, tries again more slowly, and posts the
recovery as a snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from textual.message import Message

from itop_tui.figures.format import plural
from itop_tui.service.watcher import Watcher

if TYPE_CHECKING:
    from db.finding.grouping import RunGroup
    from db.records import Alarm, RunQuery, RunRecord, RunTotals
    from db.runs.code import CodeMark
    from db.runs.endings import Mark
    from db.session import Database
    from itop_tui.figures.differences import Called

PAGE = 200
"""Runs listed at first, and as many more each time the cursor comes near the end."""
MEMBERS = 500
"""The most members of one group that are listed below it."""


@dataclass(frozen=True, slots=True)
class View:
    """What the list of runs shows.

    Attributes:
        text: Only runs that match this query (see `db.query`); empty for all that are not archived.
        sort: What they are sorted by, a name of `db.runs.runs.SORTS`.
        descending: Whether the largest comes first.
        limit: The most runs, or groups, read.
        by: What they are grouped by, as `db.finding.grouping` calls it; empty for no groups.
        opened: The keys of the groups whose runs are listed.
        figures: The metrics whose means the groups show.
        group_sort: What the groups are sorted by, as `db.finding.grouping` calls it.
    """

    text: str = ""
    sort: str = "id"
    descending: bool = True
    limit: int = PAGE
    by: str = ""
    opened: frozenset[str] = frozenset()
    figures: tuple[str, ...] = ()
    group_sort: str = "latest"


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """A group of runs as the list shows it.

    Attributes:
        group: The group with its means.
        sample: One of its runs, for what they have in common.
        members: Its runs where it is open; None where it is not.
        called: What distinguishes it from the other groups; None where its label does.
    """

    group: RunGroup
    sample: RunRecord | None = None
    members: tuple[RunRecord, ...] | None = None
    called: Called | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the database held at one moment.

    Attributes:
        view: What was asked.
        runs: The runs of the page, in order; of a grouped page, those of its open groups.
        matching: How many runs (or groups) the view's text matches, listed or not.
        total: How many runs there are, those in the archive among them.
        active: How many of them are running (or starting, paused, stopping).
        queued: How many wait.
        version: The database's version when it was read; it moves with every commit.
        groups: The groups of a grouped page, in order.
        archived: How many runs are in the archive, which lists leave out unless they are asked for it.
        ended: The runs that have ended since the snapshot before, listed or not.
        called: What runs are called where their names do not distinguish them from the others listed, by their ids.
        changed: The runs that have started since then with other code than they were queued with, each with the names
            of the files that had changed.
        alarms: The alarms raised since then, with their runs.
    """

    view: View
    runs: tuple[RunRecord, ...]
    matching: int
    total: int
    active: int
    queued: int
    version: int
    groups: tuple[ListedGroup, ...] = ()
    archived: int = 0
    ended: tuple[RunRecord, ...] = ()
    called: Mapping[int, Called] = field(default_factory=dict)
    changed: tuple[tuple[RunRecord, str], ...] = ()
    alarms: tuple[tuple[RunRecord, Alarm], ...] = ()

    @property
    def listed(self) -> int:
        """How many runs, or groups, the page holds."""
        return len(self.groups) if self.view.by else len(self.runs)


class RunsChanged(Message, bubble=False):
    """A new snapshot: posted to the app, and by it to every screen that is open."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        super().__init__()


class DatabaseTrouble(Message, bubble=False):
    """The database cannot be read, or can be again.

    Attributes:
        problem: What is wrong, in a sentence; None once it is over.
    """

    def __init__(self, problem: str | None) -> None:
        self.problem = problem
        super().__init__()


_LONGEST_REST = 0.7
"""Seconds: what is shown stays less than a second old, however long a look takes."""


class Reader(Protocol):
    """Where the poller gets its snapshots; the tests pass their own."""

    def version(self) -> int:
        """A number that moves with every commit."""

    def read(self, view: View) -> Snapshot:
        """Read what a view shows."""

    def settle(self) -> str | None:
        """Give runs whose process is gone their true ending; say what is wrong in the background, if anything."""


class DatabaseReader:
    """Reads snapshots from an open database; safe to use from one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unserved = False
        self._endings: Mark | None = None
        self._code: CodeMark | None = None
        self._alarms: int | None = None
        self._totals: RunTotals | None = None
        self._totals_of: int | None = None
        self._called: tuple[object, dict[int, Called]] = ((), {})
        self._groups_called: tuple[object, dict[str, Called]] = ((), {})

    def version(self) -> int:
        """The database's version."""
        return self._database.data_version()

    def read(self, view: View) -> Snapshot:
        """Read a page of runs, the counts beside it, and what has ended."""
        from db.history import raised_alarms
        from db.records import RunQuery
        from db.runs import endings, runs

        version = self.version()
        query = RunQuery(text=view.text, sort=view.sort, descending=view.descending, limit=view.limit)
        # Of what was read already, with another view, only the page is read: nothing was committed since.
        known = self._totals if version == self._totals_of else None
        totals = known or runs.totals(self._database)
        groups: tuple[ListedGroup, ...] = ()
        listed: Sequence[RunRecord]
        if view.by:
            groups, matching = self._groups(view, query)
            listed = [run for each in groups for run in each.members or ()]
        elif view.text:
            listed, matching = runs.page(self._database, query)
        else:
            listed, matching = runs.list_runs(self._database, query), totals.runs - totals.archived
        # Last, and kept only when all else was read: an ending that is not reported now is in the next snapshot.
        mark, ended = (self._endings, ()) if known is not None else endings.since(self._database, self._endings)
        code_mark, changed = (self._code, ()) if known is not None else self._changed_code()
        alarm, raised = (self._alarms, ()) if known is not None else raised_alarms.since(self._database, self._alarms)
        snapshot = Snapshot(
            view=view,
            runs=tuple(listed),
            matching=matching,
            total=totals.runs,
            active=totals.active,
            queued=totals.queued,
            version=version,
            groups=groups,
            archived=totals.archived,
            ended=ended,
            called=self._names(groups, listed),
            changed=changed,
            alarms=raised,
        )
        self._code, self._alarms, self._endings = code_mark, alarm, mark
        self._totals, self._totals_of = totals, version
        return snapshot

    def _names(self, groups: Sequence[ListedGroup], listed: Sequence[RunRecord]) -> dict[int, Called]:
        """What runs are called: in an open group by what differs within it, in a plain list beside a shared name."""
        from itop_tui.figures.differences import called, namesakes

        # What they are called follows from their settings, which only another attempt may change.
        wish = ([each.group.key for each in groups], [(run.id, run.name, run.attempt_count) for run in listed])
        if wish != self._called[0]:
            names: dict[int, Called] = {} if groups else namesakes(listed)
            for members in (each.members or () for each in groups):
                found = called([[run] for run in members])
                names |= {run.id: one for run, one in zip(members, found, strict=True) if one.parts}
            self._called = (wish, names)
        return self._called[1]

    def _changed_code(self) -> tuple[CodeMark, tuple[tuple[RunRecord, str], ...]]:
        """The runs whose code changed between queueing and start, of those that started since the snapshot before."""
        from db.runs import code, runs

        mark, started = code.started_since(self._database, self._code)
        if not started:
            return mark, ()
        from itop_tui.service.code_review import changed_before_start

        named = {run_id: changed_before_start(self._database, run_id, attempt) or "" for run_id, attempt in started}
        found = runs.get_many(self._database, [run_id for run_id, names in named.items() if names])
        return mark, tuple((run, named[run.id]) for run in found)

    def _groups(self, view: View, query: RunQuery) -> tuple[tuple[ListedGroup, ...], int]:
        """The first groups of a view, and how many there are."""
        from db.finding import grouping
        from itop_tui.figures.differences import groups_called
        from itop_tui.service import run_reading

        found = grouping.groups(
            self._database, query, view.by, view.figures, sort=view.group_sort, descending=view.descending
        )
        shown = found[: view.limit]
        wanted = {group.key: tuple(group.run_ids[:MEMBERS]) for group in shown if group.key in view.opened}
        samples = {group.run_ids[0] for group in shown if group.run_ids}
        ids = dict.fromkeys([*samples, *(run_id for members in wanted.values() for run_id in members)])
        known = {run.id: run for run in run_reading.read(self._database, tuple(ids))}
        names: dict[str, Called] = {}
        if view.by == grouping.RECIPE:
            # Groups of the same recipes are called the same.
            wish = [(group.key, group.run_ids[:1]) for group in shown]
            if wish != self._groups_called[0]:
                self._groups_called = (wish, groups_called(shown, known))
            names = self._groups_called[1]
        listed = tuple(
            ListedGroup(
                group,
                known.get(group.run_ids[0]) if group.run_ids else None,
                tuple(known[run_id] for run_id in wanted[group.key] if run_id in known)
                if group.key in wanted
                else None,
                names.get(group.key),
            )
            for group in shown
        )
        return listed, len(found)

    def settle(self) -> str | None:
        """Settle the runs of this host, and notice queued runs that nothing will start."""
        from db.records import RunQuery, RunStatus
        from db.runs import run_owners, runs
        from engine.launch import submit

        if self._database.read_only is not None:
            return None
        submit.reconcile(self._database)
        query = RunQuery(statuses=(RunStatus.QUEUED,), descending=False, limit=PAGE)
        waiting = runs.count(self._database, query)
        unserved = (
            waiting > 0 and not submit.scheduler_running(self._database) and run_owners.has_waiting(self._database)
        )
        # Twice in a row: between a run being queued and its scheduler being there, a short time passes.
        unserved_twice = unserved and self._unserved
        self._unserved = unserved
        if not unserved_twice:
            return None
        return f"{plural(waiting, 'queued run')} will not start: no scheduler is running here. ^g starts one."


class Poller(Watcher):
    """Watches a `Reader` from a thread of its own and posts what changed.

    Args:
        reader: Where snapshots come from.
        post: Called with each message, from the poller's thread; must be thread safe (`App.post_message` is).
        view: What to read at first.
        interval: Seconds between two looks while nothing was committed.
        after_reading: Seconds between a look that found something new and the next one.
        settle_every: Seconds between two calls of `Reader.settle`.
        retry: Seconds between two looks while the database fails.
        clock: A clock that only moves forward.
    """

    def __init__(
        self,
        reader: Reader,
        post: Callable[[Message], object],
        *,
        view: View | None = None,
        interval: float = 0.2,
        after_reading: float = 0.6,
        settle_every: float = 2.0,
        retry: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(self._watch, name="itop-poller", longest_rest=_LONGEST_REST, clock=clock)
        self._reader = reader
        self._post = post
        self._view = view or View()
        self._interval = interval
        self._after_reading = after_reading
        self._settle_every = settle_every
        self._retry = retry
        self._seen: tuple[int, View] | None = None
        self._problem: str | None = None
        self._settled_at: float | None = None
        self._unsettled: str | None = None

    @property
    def view(self) -> View:
        """What is being read; setting it reads it at once."""
        return self._view

    @view.setter
    def view(self, view: View) -> None:
        if view != self._view:
            self._view = view
            self.refresh()

    def refresh(self) -> None:
        """Look at once instead of at the next turn: after an action, so that its effect shows without delay."""
        self.wake(urgent=True)

    def stop(self, timeout: float = 2.0) -> None:
        """End the thread and wait for it, at most `timeout` seconds."""
        super().stop(timeout)

    def look(self) -> bool:
        """Look once, and post what is new. What the thread does; the tests call it themselves.

        Returns:
            Whether something was new.
        """
        found = False
        try:
            view = self._view
            if self._seen != (self._reader.version(), view):
                snapshot = self._reader.read(view)
                self._seen = (snapshot.version, view)
                self._post(RunsChanged(snapshot))
                found = True
        except Exception as error:  # the app continues, whatever the database or the disk does
            # A database that comes back may be another file: read it again.
            self._seen = None
            why = reason(error).rstrip(".")
            self._report(f"The database cannot be read, and is tried again: {why}. Runs continue.")
        else:
            self._report(self._settle())
        return found

    def _settle(self) -> str | None:
        """Settle runs when it is time; gives back the trouble that was had with it, which lasts until the next time."""
        now = self._clock()
        if self._settled_at is None or now - self._settled_at >= self._settle_every:
            self._settled_at = now
            try:
                self._unsettled = self._reader.settle()
            except Exception as error:  # runs are still listed where their processes cannot be looked at
                self._unsettled = f"Runs whose process is gone cannot be found: {reason(error)}"
        return self._unsettled

    def _report(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self._post(DatabaseTrouble(problem))

    def _watch(self) -> float:
        """Look once, and give the seconds until the next look."""
        found = self.look()
        if self._problem is not None:
            return self._retry
        return self._after_reading if found else self._interval


def reason(error: Exception) -> str:
    """What an exception says; its name where it says nothing."""
    return f"{error}".strip() or type(error).__name__
