"""The same queries answered by SQLite, by PostgreSQL, and by a filter in plain Python."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.models import RUN_METRICS, RunRow
from db.query import And, Compare, Field, Node, Not, Or, Query, Word, fields, find_field, known_values, parse
from db.query.fields import FLAGS, STATE_WORDS, STATES
from db.records import RunQuery, RunRecord, RunStatus
from db.runs import runs
from db.runs.facets import facets
from db.session import Database
from tests.db.helpers import CONFIG, new_run
from tests.db.query.reference import matches
from tests.described import described

NOW = time.time()
_DAY = 86_400.0


def _choice(chance: random.Random, *values: Any) -> Any:
    return chance.choice(values)


def fill(db: Database, number: int = 60) -> list[RunRecord]:
    """Runs that differ in everything a query can ask about, with gaps and figures that diverged."""
    chance = random.Random(7)
    first = new_run(db, name="first")
    with db.write() as session:
        row = session.get_one(RunRow, first.id)
        template = {
            name: getattr(row, name) for name in RunRecord.__dataclass_fields__ if name not in ("id", "damaged")
        }
        for index in range(number):
            session.execute(sa.insert(RunRow), [template | _row(chance, index, first.id)])
    return runs.list_runs(db, RunQuery(archived=None, limit=None, descending=False))


def _row(chance: random.Random, index: int, parent: int) -> dict[str, Any]:
    config = CONFIG | {
        "model": _choice(chance, "vgg-c", "ResNet-34", "my.module:net"),
        "sparse": _choice(chance, True, True, False),
        "density": _choice(chance, 0.05, 0.1, 0.2),
        "growth": _choice(chance, "random", "gradient"),
        "optimizer": _choice(chance, "sgd", "adam", "AdamW"),
        "update_frequency": _choice(chance, 100, 1500, 4000),
        "lr": _choice(chance, 0.1, 0.1 * 0.1, 1e-4),
        "last_update": _choice(chance, None, 5000),
        "nesterov": _choice(chance, True, False),
        "death_rate": _choice(chance, 0.5, 0.3),
        "seed": index % 5,
        "weights": _choice(chance, None, "a file.pt", ""),
        "own": _choice(chance, "18", 18, 18.5, True, None, "resnet-18", ["a", "18"]),
    }
    if index % 7 == 0:
        del config["nesterov"], config["own"]
    row: dict[str, Any] = facets(**described(config)) | {
        "config": config,
        "uid": f"{index:012d}",
        "name": _choice(chance, "Alpha", "beta 100%", "a_b", "back\\slash", "ünder", "or", 'say "x"') + f"-{index % 4}",
        "status": _choice(chance, *RunStatus),
        "tags": _choice(chance, (), ("paper",), ("Paper", "old one"), ("old",)),
        "notes": _choice(chance, "", "looks good", "Looks BAD"),
        "group": _choice(chance, None, "", "sweep"),
        "parent_id": _choice(chance, None, None, parent),
        "held": _choice(chance, True, False),
        "priority": _choice(chance, -1, 0, 2),
        "created_at": NOW - _choice(chance, 1.5, 10, 40) * _DAY,
        "started_at": _choice(chance, None, NOW - 1.5 * _DAY, NOW - 5000),
        "ended_at": _choice(chance, None, NOW - 1000),
        "heartbeat_at": _choice(chance, None, NOW - 500),
        "step": _choice(chance, 0, 50, 100),
        "total_steps": _choice(chance, 0, 100),
        "starred_at": _choice(chance, None, NOW),
        "archived_at": _choice(chance, None, NOW),
        "nonzeros": _choice(chance, None, 2**40),
        "exit_code": _choice(chance, None, 0, 1),
        "host": _choice(chance, None, "here"),
    }
    figures = [None, 0.5, 0.93, 0.057, 1e-6, math.nan, math.inf, -math.inf]
    return RUN_METRICS.encode(row | {name: _choice(chance, *figures) for name in RUN_METRICS.names})


def answer(db: Database, text: str) -> list[int]:
    return [run.id for run in runs.list_runs(db, RunQuery(text=text, archived=None, limit=None, descending=False))]


def expected(records: list[RunRecord], text: str) -> list[int]:
    return [run.id for run in records if matches(parse(text).root, run, time.time())]


_ASKED = """
vgg | RESNET adam | "old one" | 100% | a_b | \\ | "\\"" | ünder | "or" | running
name:alpha | name=ALPHA-1 | name!=alpha-1 | name~_b | model:"my.module:net" | model=vgg-c,ResNet-34
tag:pap | tag=paper | tag=old | tag!=old | tag:"" | -tag:"" | group:"" | group=sweep | notes~looks | notes:BAD
state:running,failed | state!=completed | state:s | -state:q | is:active | is:finished | is:held | is:fork
is:starred -is:archived | is:diverged | is:dense or is:killed | is!=starred
seed:1,2,3 | seed!=1 | seed>=3 | id<=5 | id:99999999999999999999 | id<99999999999999999999 | seed:1.5 | parent:1
density<0.1 | density:0.05 | density=5% | sparsity>=0.9 | sparsity:0.95 | nonzeros>1T | nonzeros:1099511627776
acc>=93% | acc=0.93 | acc!=0.93 | acc<=0.057 | test>0.5 | train<inf | val>-inf | val>=-inf | val<=inf | val>inf
loss:nan | loss!=nan | loss:inf,-inf | loss:none | -loss:none | loss>0.1 | loss<0.1 | -loss<0.1 | loss:1e-6
progress>=50% | progress:none | step:50 | exit_code:0 | duration>1h | duration<2d | duration:none | -duration>1h
created>2d | created<2d | created>=1990 | created:30d | created<=2026 | started:none | ended>1h | heartbeat<now
growth:gradient update_frequency>=1000 | growth=GRADIENT | optimizer:adam | optimizer=adam | optimizer!=adam
lr:0.01 | lr<=1e-4 | lr!=0.1 | last_update:none | last_update>1 | nesterov:true | nesterov:no | nesterov!=yes
death_rate:50% | weights:"" | weights:file | config.own:18 | config.own=18 | config.own!=18 | config.own>18
config.own:true | config.own:"" | config.own~18 | config.nothing:1 | config.nothing:"" | config.density:0.05
config.own<19 | config.own:resnet | config.seed:1 | config.sparse:false
(model:vgg or is:starred) -(seed:1 or loss:nan) not tag:old | --vgg
"""


def test_hand_written_queries(db: Database) -> None:
    records = fill(db)
    asked = [text.strip() for line in _ASKED.strip().splitlines() for text in line.split(" | ")]
    assert len(asked) > 100
    found = {text: answer(db, text) for text in asked}
    wrong = {text: ids for text, ids in found.items() if ids != expected(records, text)}
    assert wrong == {}
    some = [text for text, ids in found.items() if 0 < len(ids) < len(records)]
    assert len(some) > 0.85 * len(asked), "most of these queries should tell runs apart"


def test_a_query_and_its_negation_share_out_all_runs(db: Database) -> None:
    records = fill(db)
    for field in fields():
        value = {"state": "running", "time": "2d", "flag": "true", "text": "a"}.get(field.kind, "0.5")
        text = f"{field.name}:{'starred' if field.name == 'is' else value}"
        both = sorted(answer(db, text) + answer(db, f"-{text}"))
        assert both == [run.id for run in records], text


_TEXT_VALUES = st.sampled_from(["", "a", "PAPER", "old", "vgg", "adam", "18", "_", "%", "\\", '"', "or", "sweep"])
_NUMBERS = st.sampled_from(["0.05", "0.5", "93%", "0.01", "1", "1500", "-1", "2G", "1e-6", "18", "5.7%", "100"])


def _values(field: Field, operator: str) -> st.SearchStrategy[tuple[str, ...]]:
    ordered = operator in ("<", "<=", ">", ">=")
    if field.kind == "state":
        value = st.sampled_from([*STATE_WORDS, "s", "c"])
    elif field.kind == "flag":
        value = st.sampled_from(["true", "no"] if field.setting else [*FLAGS, *STATES, "s"])
    elif field.kind == "time":
        value = st.sampled_from(["2d", "1h", "30d", "2020", "now"] + ([] if ordered else [""]))
    elif field.kind == "number":
        value = st.one_of(_NUMBERS, st.sampled_from(["inf", "-inf"] + ([] if ordered else ["nan", ""])))
    elif field.kind == "any" and ordered:
        value = _NUMBERS
    else:
        value = _TEXT_VALUES if field.kind == "text" else st.one_of(_TEXT_VALUES, _NUMBERS)
    return st.lists(value, min_size=1, max_size=1 if ordered else 2).map(tuple)


@st.composite
def _comparisons(draw: st.DrawFn) -> Compare:
    field = draw(st.sampled_from([*fields(), find_field("config.own"), find_field("config.sparse")]))
    assert field is not None
    operators = [":", "=", "!="]
    operators += ["<", "<=", ">", ">="] if field.kind in ("number", "time", "any") else []
    operators += ["~"] if field.kind in ("text", "any") else []
    operator = draw(st.sampled_from(operators))
    return Compare(field.name, operator, draw(_values(field, operator)))


_TREES: st.SearchStrategy[Node] = st.recursive(
    st.one_of(_comparisons(), _TEXT_VALUES.map(Word)),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(Or),
    ),
    max_leaves=6,
)


def test_any_query_is_answered_as_plain_python_answers_it(db: Database) -> None:
    records = fill(db)

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_TREES)
    def check(tree: Node) -> None:
        text = str(Query(tree))
        assert answer(db, text) == expected(records, text)

    check()


def test_archived_runs_are_left_out_unless_they_are_asked_for(db: Database) -> None:
    records = fill(db)
    put_away = {run.id for run in records if run.archived_at is not None}
    others = {run.id for run in records} - put_away

    def ids(**query: Any) -> set[int]:
        asked = RunQuery(limit=None, **query)
        found = {run.id for run in runs.list_runs(db, asked)}
        assert runs.count(db, asked) == len(found)
        return found

    assert put_away
    assert others
    assert ids() == others
    assert ids(archived=True) == put_away
    assert ids(archived=None) == put_away | others
    assert ids(text="is:archived") == put_away
    assert ids(text="-is:archived", archived=True) == others
    assert ids(text="is:archived or is:starred") > put_away


def test_a_list_is_sorted_by_any_setting(db: Database) -> None:
    records = fill(db)

    def order(sort: str, descending: bool) -> list[Any]:
        listed = runs.list_runs(db, RunQuery(sort=sort, descending=descending, archived=None, limit=None))
        assert len(listed) == len(records)
        return [run.config.get(sort.removeprefix("config.")) for run in listed]

    for sort in ("config.optimizer", "config.update_frequency", "config.last_update", "config.nesterov"):
        for descending in (False, True):
            values = order(sort, descending)
            there = [value for value in values if value is not None]
            assert values[: len(there)] == there, "runs without it come last"
            keys = [value.lower() if isinstance(value, str) else value for value in there]
            assert keys == sorted(keys, reverse=descending)
    mixed = [value for value in order("config.own", False) if value is not None]
    kinds = [isinstance(value, str | list) for value in mixed]
    assert kinds == sorted(kinds), "numbers come before text"


_KNOWN: list[tuple[str, set[str]]] = [
    ("growth", {"gradient", "random"}),
    ("state", set(STATE_WORDS)),
    ("is", {*FLAGS, *STATES}),
    ("nesterov", {"true", "false"}),
    ("tag", {"paper", "Paper", "old", "old one"}),
    ("group", {"sweep"}),
    ("density", {"0.05", "0.1", "0.2", "1"}),
    ("lr", {"0.1", "0.01", "0.0001"}),
    ("update_frequency", {"100", "1500", "4000"}),
    ("created", set()),
    ("progress", set()),
    ("nothing", set()),
]


def test_the_values_that_runs_have(db: Database) -> None:
    fill(db)
    assert {field: set(known_values(db, field)) for field, _ in _KNOWN} == dict(_KNOWN)
    assert {"18", "18.5", "1", "resnet-18"} <= set(known_values(db, "config.own"))
    tags = known_values(db, "tags")
    counts = [len(answer(db, f'tag="{tag}"')) for tag in ("old", "old one")]
    assert len(tags) == len(set(tags))
    assert min(counts) > 0
