"""The store: everything itop remembers.

Only this package writes SQL. Its functions take a `db.session.Database` first, are safe to call from any thread and
return the frozen dataclasses of `db.records`; sessions and ORM objects stay inside. It imports neither torch nor
textual, nor the other two packages, so the app, the command line, the scheduler and the workers can all share it.
"""
