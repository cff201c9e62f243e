"""Keys that act one after the other, however fast they are typed.

Textual does a priority binding as soon as its key arrives, while the keys before it may still be in the queue of the
widget that has the focus; and a letter reaches that widget before a moving key pressed earlier has come back up to be
looked up. Where keys come one by one that is never seen. Over a slow line, or while the app is busy, they come many at
a time: "3000" and ^s launched a run of 40 epochs, the text for one field ended in another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from textual import events
from textual.app import App
from textual.dom import DOMNode

from itop_tui.keys.key_places import by_place

__all__ = ["KeysInOrder"]

_ROUNDS = 4
"""A key is done when its messages are handled. A message may cause another one, a step later: enter in the filter is
reported by the line it was typed in, then by the filter, then by its screen, which moves the focus."""
_PATIENCE = 1.0
"""Seconds after its last step when a key counts as done: the queue of a widget that is removed is lost."""


class KeysInOrder(App[None]):
    """An app in which a key, or a pasted text, is looked at once the one before it has done all it does."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key | events.Paste] = deque()
        self._gives_up: asyncio.TimerHandle | None = None

    async def on_event(self, event: events.Event) -> None:
        """Do what an event means; what is typed waits for its turn."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if len(self._typed) == 1:
            await self._do(event)

    async def _do(self, event: events.Key | events.Paste) -> None:
        self._have_patience(event)
        if isinstance(event, events.Key):
            self._take_by_place(event)
        await super().on_event(event)
        await self._follow(event, _ROUNDS)

    def _take_by_place(self, event: events.Key) -> None:
        """Let a key of another layout be the one at its place, where it means nothing itself."""
        other = by_place(event)
        if other is None or (self.focused and self.focused.check_consume_key(event.key, event.character)):
            return
        if not any(event.key in bindings.key_to_bindings for _, bindings in self.screen._binding_chain):
            event.key, event.character = other

    def _have_patience(self, event: events.Key | events.Paste) -> None:
        if self._gives_up is not None:
            self._gives_up.cancel()
        loop = asyncio.get_running_loop()
        self._gives_up = loop.call_later(_PATIENCE, lambda: self.call_later(self._done, event))

    async def _follow(self, event: events.Key | events.Paste, rounds: int) -> None:
        """Follow a key on its way from the focus up to the app."""
        await self._climb(event, rounds, iter((self.focused or self.screen).ancestors_with_self))

    async def _climb(self, event: events.Key | events.Paste, rounds: int, way: Iterator[DOMNode]) -> None:
        if not self._typed or self._typed[0] is not event:
            return  # The wait for it has ended.
        self._have_patience(event)
        for node in way:
            if node.call_later(self._climb, event, rounds, way):
                return
        if rounds > 1:
            await self._follow(event, rounds - 1)
        else:
            await self._done(event)

    async def _done(self, event: events.Key | events.Paste) -> None:
        """Continue with what was typed next, if anything was; nothing where that was done already."""
        if not self._typed or self._typed[0] is not event:
            return
        if self._gives_up is not None:
            self._gives_up.cancel()
        self._typed.popleft()
        if self._typed:
            await self._do(self._typed[0])
