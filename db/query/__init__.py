"""The language in which runs are looked for.

    vgg rigl                          words that must each occur in name, model, data, method, state or tags
    state:running  seed:1,2,3         a field is, or holds, one of these; `name="run 7"` is exactly this
    name~vgg                          a field holds this text
    density<0.1  acc>=93%             numbers; also != and =
    created>2d  created>2026-11-01    times: later than two days ago, later than that day
    duration>1h  loss:nan             lengths of time; metrics that diverged
    -tag:old  not is:archived         what does not match
    (model:vgg or model:wrn) growth:gradient

Fields are the columns of a run and the settings that `db.declared_settings` knows (`update_frequency>=1000`);
`config.NAME` reads any setting.
"""

from db.errors import QueryError
from db.query.completion import Completions, Option, complete
from db.query.fields import Field, fields, find_field
from db.query.known import known_values
from db.query.parser import parse
from db.query.sql import condition
from db.query.tree import And, Compare, Node, Not, Or, Query, Word, quoted

__all__ = [
    "And",
    "Compare",
    "Completions",
    "Field",
    "Node",
    "Not",
    "Option",
    "Or",
    "Query",
    "QueryError",
    "Word",
    "complete",
    "condition",
    "fields",
    "find_field",
    "known_values",
    "parse",
    "quoted",
]
