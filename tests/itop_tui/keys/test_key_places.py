"""Keys of other layouts are those at their place, where they mean nothing themselves."""

from __future__ import annotations

import pytest
from textual import events

from itop_tui.keys.key_places import PlacedKey, by_place
from itop_tui.tty.placed_keys import PlacesParser


def read(sequence: str) -> list[events.Key]:
    """The keys in what a terminal sends."""
    return [event for event in PlacesParser().feed(sequence) if isinstance(event, events.Key)]


@pytest.mark.parametrize(
    ("key", "character", "meant"),
    [
        ("й", "й", ("q", "q")),
        ("Й", "Й", ("Q", "Q")),
        ("т", "т", ("n", "n")),
        ("ж", "ж", ("semicolon", ";")),
        ("ю", "ю", ("full_stop", ".")),
        ("і", "і", ("s", "s")),
        ("ς", "ς", ("w", "w")),
        ("Ν", "Ν", ("N", "N")),
        ("ctrl+я", None, ("ctrl+z", None)),
    ],
)
def test_letters_of_the_standard_layouts_stand_for_the_keys_of_theirs(
    key: str, character: str | None, meant: tuple[str, str | None]
) -> None:
    assert by_place(events.Key(key, character)) == meant


@pytest.mark.parametrize("key", ["q", "Q", "ctrl+q", "escape", "f1", "é", "日", "left", "space", "ctrl+@"])
def test_other_keys_mean_themselves_where_the_place_is_not_known(key: str) -> None:
    assert by_place(events.Key(key, key if len(key) == 1 else None)) is None


@pytest.mark.parametrize(
    ("sequence", "key", "character", "meant"),
    [
        ("\x1b[1092::97;;1092u", "ф", "ф", ("a", "a")),
        ("\x1b[1092:1060:97;2;1060u", "Ф", "Ф", ("A", "A")),
        ("\x1b[1092::97;65;1060u", "Ф", "Ф", ("A", "A")),  # caps lock
        ("\x1b[1103::122;5u", "ctrl+я", None, ("ctrl+z", None)),
        ("\x1b[46::47;;46u", "full_stop", ".", None),  # a sign of the Russian layout at the place of /
        ("\x1b[38::49;;38u", "ampersand", "&", ("1", "1")),  # AZERTY's 1
        ("\x1b[233::50;;233u", "é", "é", ("2", "2")),
        ("\x1b[252::91;;252u", "ü", "ü", ("left_square_bracket", "[")),
        ("\x1b[1506::103;;1506u", "ע", "ע", ("g", "g")),  # Hebrew: known by the place alone
    ],
)
def test_a_terminal_that_knows_the_place_says_it(
    sequence: str, key: str, character: str | None, meant: tuple[str, str | None] | None
) -> None:
    (event,) = read(sequence)
    assert (event.key, event.character) == (key, character)
    assert by_place(event) == meant
    assert by_place(event.copy()) == meant


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[97::113;;97u",  # AZERTY's a, at the place of q
        "\x1b[39::113;;39u",  # Dvorak's ', at the place of q
        "\x1b[122::121;;122u",  # QWERTZ's z
        "\x1b[233::119;;233u",  # a Latin letter of Bépo
    ],
)
def test_what_can_be_read_on_the_key_means_itself(sequence: str) -> None:
    (event,) = read(sequence)
    assert by_place(event) is None


def test_a_key_of_a_us_layout_is_an_ordinary_one() -> None:
    for sequence, key in (("\x1b[97::97;;97u", "a"), ("\x1b[97:65:97;2;65u", "A"), ("\x1b[97:65;2;65u", "A")):
        (event,) = read(sequence)
        assert (event.key, type(event)) == (key, events.Key)


def test_other_sequences_are_read_as_before() -> None:
    assert [event.key for event in read("a\x1b[A\x1b[97;5u\x1b[27u")] == ["a", "up", "ctrl+a", "escape"]
    assert not any(isinstance(event, PlacedKey) for event in read("ф"))


def test_a_place_outside_unicode_is_ignored() -> None:
    (event,) = read("\x1b[1092::99999999;;1092u")
    assert event.key == "ф"
