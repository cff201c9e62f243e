from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.query import And, Compare, Node, Not, Or, Query, QueryError, Word, fields, find_field, parse, quoted
from engine.config.run_config import RunConfig

A, B, C = Word("a"), Word("b"), Word("c")

# fmt: off
_TREES: list[tuple[str, Node | None]] = [
    ("", None),
    ("  \t\n", None),
    ("a", A),
    ("a b", And((A, B))),
    ("a and b", And((A, B))),
    ("a AND b Or c", Or((And((A, B)), C))),
    ("a or b c", Or((A, And((B, C))))),
    ("(a or b) c", And((Or((A, B)), C))),
    ("((a))", A),
    ("-a", Not(A)),
    ("not a", Not(A)),
    ("not not a", Not(Not(A))),
    ("-(a b)", Not(And((A, B)))),
    ("(a b) c", And((And((A, B)), C))),
    ("-", Word("-")),
    ("a - b", And((A, Word("-"), B))),
    ("order android nothing", And((Word("order"), Word("android"), Word("nothing")))),
    ('"or"', Word("or")),
    ('"a b" c', And((Word("a b"), C))),
    ('"say \\"hi\\" \\\\ \\n"', Word('say "hi" \\ \\n')),
    ('5"disk', Word('5"disk')),
    ("run(2)", Word("run(2)")),
    ("(run(2))", Word("run(2)")),
    ("seed:1,2,3", Compare("seed", ":", ("1", "2", "3"))),
    ("seed:1,,2,", Compare("seed", ":", ("1", "2"))),
    ("SEED:1", Compare("seed", ":", ("1",))),
    ("status:running", Compare("state", ":", ("running",))),
    ("state:runn", Compare("state", ":", ("running",))),
    ("state:st", Compare("state", ":", ("st",))),  # starting, stopping and stopped
    ("is:arch", Compare("is", ":", ("archived",))),
    ("is:Running", Compare("is", ":", ("running",))),
    ('name:"a b",c', Compare("name", ":", ("a b", "c"))),
    ("name~vgg", Compare("name", "~", ("vgg",))),
    ("name=vgg", Compare("name", "=", ("vgg",))),
    ("name!=vgg", Compare("name", "!=", ("vgg",))),
    ('group:""', Compare("group", ":", ("",))),
    ("density<0.1", Compare("density", "<", ("0.1",))),
    ("density < 0.1 b", And((Compare("density", "<", ("0.1",)), B))),
    ("density:<=0.1", Compare("density", "<=", ("0.1",))),
    ("acc>=93%", Compare("accuracy", ">=", ("93%",))),
    ("best>0.9", Compare("accuracy", ">", ("0.9",))),
    ("rs>.5", Compare("itop_rate", ">", (".5",))),
    ("lr=1e-4", Compare("lr", "=", ("1e-4",))),
    ("loss:nan", Compare("loss", ":", ("nan",))),
    ("loss:none", Compare("loss", ":", ("",))),
    ("redistribution:none", Compare("redistribution", ":", ("none",))),
    ("created>2d", Compare("created", ">", ("2d",))),
    ("created>2026-11-01T14:05", Compare("created", ">", ("2026-11-01T14:05",))),
    ("duration>1h30m", Compare("duration", ">", ("1h30m",))),
    ("nesterov:yes", Compare("nesterov", ":", ("yes",))),
    ("config.growth:random", Compare("growth", ":", ("random",))),
    ("config.density:0.05", Compare("config.density", ":", ("0.05",))),
    ("config.my_own>3", Compare("config.my_own", ">", ("3",))),
    ("growth:gradient update_frequency>=1000",
     And((Compare("growth", ":", ("gradient",)), Compare("update_frequency", ">=", ("1000",))))),
    ("(tag:paper)", Compare("tag", ":", ("paper",))),
    ("-tag:paper -is:fork", And((Not(Compare("tag", ":", ("paper",))), Not(Compare("is", ":", ("fork",)))))),
    ("<3 a", And((Word("<3"), A))),
]

_MISTAKES: list[tuple[str, str, int, int, str | None]] = [
    ("densty:0.1", "There is no field 'densty'; did you mean density?", 0, 6, "density"),
    ("a  -grwth:gradient", "There is no field 'grwth'; did you mean growth?", 4, 5, "growth"),
    ("zzz:1", "There is no field 'zzz'. To look for the text, write it in quotes: \"zzz:…\"", 0, 3, None),
    ("config.:1", "There is no field 'config.'", 0, 7, None),
    ("density<abc", "density<abc: must be a number (like 0.93 or 93%).", 8, 3, None),
    ("seed:1,x,2", "seed:x: must be a number.", 7, 1, None),
    ("density<", "density< needs a value: density>0.5.", 0, 8, None),
    ("state: running", "state: needs a value: state:running.", 0, 6, None),
    ("state:runing", "There is no state 'runing'; did you mean running?", 6, 6, "running"),
    ("is:stared", "There is no mark 'stared'; did you mean starred?", 3, 6, "starred"),
    ("name<3", "name is text, and < compares numbers: name:TEXT.", 0, 6, None),
    ("is>3", "is is yes or no, and > compares numbers: is:starred.", 0, 4, None),
    ("seed<1,2", "< compares with one value, not with a list.", 0, 8, None),
    ("loss<nan", "loss<nan: nothing is smaller or larger than NaN; write loss:nan.", 5, 3, None),
    ("loss~3", "loss is no text, and ~ looks into text: loss>0.1.", 0, 6, None),
    ("state~run", "state is no text, and ~ looks into text: state:running.", 0, 9, None),
    ("created>soon", "created>soon: must be a time, like 2d, 3h, today, 2026-11-01 or 2026-11-01T14:05.", 8, 4, None),
    ("created>2026-13", "created>2026-13: must be a time", 8, 7, None),
    ("nesterov:maybe", "nesterov:maybe: must be true or false.", 9, 5, None),
    ("duration>1 h", "", -1, 0, None),
    ("(a", "This parenthesis is not closed.", 0, 1, ")"),
    ("(", "This parenthesis is not closed.", 0, 1, ")"),
    ("a)", "This parenthesis closes nothing.", 1, 1, None),
    (")", "This parenthesis closes nothing.", 0, 1, None),
    ("()", "Something to look for is missing before this parenthesis.", 1, 1, None),
    ("or a", "Something to look for is missing before 'or'.", 0, 2, None),
    ("a or", "Something to look for is missing after 'or'.", 2, 2, None),
    ("(a or) b", "Something to look for is missing after 'or'.", 3, 2, None),
    ("a or or b", "Something to look for is missing before 'or'.", 5, 2, None),
    ("not", "Something to look for is missing after 'not'.", 0, 3, None),
    ('a "b', "This quotation mark is not closed.", 2, 2, '"'),
    ('name:"b', "This quotation mark is not closed.", 5, 2, '"'),
    ("a\x00b", "There is a character here that no text can hold.", 1, 1, None),
    ("a\ud800", "There is a character here that no text can hold.", 1, 1, None),
    ("(" * 40, "This is nested more than 30 deep.", 30, 1, None),
    ("-" * 40 + "a", "This is nested more than 30 deep.", 30, 1, None),
    ("a " * 151, "A query can have 150 terms.", 300, 2, None),
    ("a" * 20_001, "A query can have 20,000 characters, and this one has 20,001.", 0, 0, None),
]
# fmt: on


@pytest.mark.parametrize(("text", "tree"), _TREES)
def test_texts_and_their_trees(text: str, tree: Node | None) -> None:
    assert parse(text) == Query(tree)
    assert parse(str(Query(tree))) == Query(tree)


@pytest.mark.parametrize(("text", "message", "position", "length", "suggestion"), _MISTAKES)
def test_mistakes_are_told_where_they_are(
    text: str, message: str, position: int, length: int, suggestion: str | None
) -> None:
    if position < 0:
        parse(text)
        return
    with pytest.raises(QueryError) as caught:
        parse(text)
    error = caught.value
    assert str(error).startswith(message)
    assert (error.position, error.length, error.suggestion) == (position, length, suggestion)


def test_the_canonical_spelling_of_a_query() -> None:
    text = 'NOT (a AND "b" or  status:RUNNING)   acc >= 93% and "x y" tag:"p q",r "-z" "seed:1"'
    assert str(parse(text)) == '-(a b or state:running) accuracy>=93% "x y" tag:"p q",r "-z" "seed:1"'


def test_a_query_tells_what_it_speaks_of() -> None:
    query = parse("a -(is:archived or seed:1)")
    assert query.states("is", "archived")
    assert not query.states("is", "starred")
    assert [one.field for one in query.comparisons()] == ["is", "seed"]
    assert not Query().states("is", "archived")


def test_every_setting_of_a_run_is_a_field() -> None:
    columns = {"model", "data", "density", "seed", "device"}
    known = {field.setting for field in fields() if field.setting}
    assert known | columns == set(RunConfig.model_fields), "db/query/fields.py lists the settings by their kinds"
    settings = RunConfig().as_dict()
    for name in known:
        field, value = find_field(name), settings[name]
        assert field is not None
        if value is not None:
            kind = "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
            assert field.kind == kind, name
            assert (field.unit == "whole") == (kind == "number" and isinstance(value, int)), name


def test_no_two_fields_share_a_name() -> None:
    names = [name for field in fields() for name in (field.name, *field.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)


# fmt: off
_PIECES = st.sampled_from([
    "seed:", "density<", "state", ":", "or", "and", "not", "-", "(", ")", '"', "\\", ",", " ", "a", "1", "nan", "~",
    "=", "is:", "created>", "2d", "config.", "x", "<=", "!=", "running", "name",
])
# fmt: on
_TEXTS = st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=14).map("".join))


@given(_TEXTS)
def test_any_text_is_a_query_or_a_mistake_inside_it(text: str) -> None:
    mistake = None
    try:
        query = parse(text)
    except QueryError as error:
        mistake = error
    if mistake is None:
        assert parse(str(query)) == query
    else:
        assert str(mistake)
        assert 0 <= mistake.position <= mistake.position + mistake.length <= len(text)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30))
def test_a_quoted_text_is_one_word(text: str) -> None:
    assert parse(quoted(text)) == Query(Word(text))


_VALUE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
_LEAVES = st.one_of(
    _VALUE.map(Word),
    st.builds(
        Compare,
        st.sampled_from(["name", "tag", "growth", "config.x"]),
        st.sampled_from([":", "~", "=", "!="]),
        st.lists(_VALUE, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Compare, st.just("loss"), st.sampled_from(["<", "<=", ">", ">="]), st.just(("0.5",))),
)
_TREE = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(And),
        st.lists(inner, min_size=2, max_size=3).map(tuple).map(Or),
    ),
    max_leaves=8,
)


@given(_TREE)
def test_a_printed_tree_is_read_as_it_was(tree: Node) -> None:
    assert parse(str(Query(tree))) == Query(tree)
