from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from engine.launch.devices import DeviceList
from itop_tui.queue.lines import QueueScene, about, active_line, history, lay_out, status
from itop_tui.queue.queue_state import QueueState
from itop_tui.queue.sampling import KEPT, DeviceSample, Program
from tests.itop_tui.queue.support import CPU, DEVICES, at, sample_state, sample_tracks
from tests.itop_tui.support import make_run


def scene(state: QueueState | None = None, devices: DeviceList = DEVICES) -> QueueScene:
    sample = DeviceSample(
        devices, {"cuda:0": (Program(1, "", 66 * 2**30), Program(4242, "ours", 3), Program(77, "python", None))}
    )
    return QueueScene(at(), state or sample_state(), sample, sample_tracks())


def text(made: QueueScene, width: int) -> str:
    return "\n".join("".join(part for part, _ in line.draw(made, width)) for line in lay_out(made, width))


def test_history_stands_on_a_scale_of_its_own_and_a_gap_is_a_gap() -> None:
    assert history([0.0, 0.5, 1.0], 1.0, KEPT, 3).endswith(" ▁▅█")
    assert history([0.0, 0.0], 1.0, 1, 2) == "▁"
    assert history([0.2, 0.2], 1.0, KEPT, 2).endswith("▂▂")
    assert history([None, 1.0, None], 1.0, KEPT, 3).endswith("  █ ")
    assert history([], 1.0, 4, 0) == "    "
    assert history([7.0], 1.0, 1, 1) == "█"


def test_a_cell_shows_the_largest_of_what_it_stands_for_and_stays_where_it_is() -> None:
    values: list[float | None] = [0.0] * KEPT
    values[0] = 1.0
    before = history(values, 1.0, KEPT // 4, KEPT)
    assert before[0] == "█"
    after = history([*values[1:], 0.9], 1.0, KEPT // 4, KEPT + 1)
    assert after[:-1] == before[1:].replace("█", "▁")
    assert after[-1] == "█"


@given(
    st.lists(st.none() | st.floats(0, 1), max_size=KEPT),
    st.integers(0, 90),
    st.integers(0, 10_000),
)
def test_history_fills_its_room_exactly(values: list[float | None], width: int, earlier: int) -> None:
    assert cell_len(history(values, 1.0, width, earlier + len(values))) == width


def test_what_runs_where_and_what_waits_stands_in_order() -> None:
    shown = text(scene(), 197)
    words = ("cpu", "rigl-itop 3", "cuda:0", "70.9 GB", "rigl-itop 4", "cuda:1", "gpubox", "set-itop 5", "queue")
    places = [shown.index(word) for word in words]
    assert places == sorted(places)
    assert "4 runs, 1 held" in shown
    assert "python (pid 77)" in shown
    assert "a program that cannot be seen from here (pid 1" in shown
    assert "ours" not in shown
    assert "88 °C hot" in shown
    assert "cannot be read, so nothing is started on it: GPU is lost" in shown
    assert "closed: 0 slots" in shown
    keys = [line.key for line in lay_out(scene(), 197)]
    assert [key for key in keys if key is not None] == [
        ("device", "cpu"), ("run", 3), ("device", "cuda:0"), ("run", 4), ("device", "cuda:1"), ("run", 5),
        ("run", 9), ("run", 6), ("run", 7), ("run", 8),
    ]  # fmt: skip


@pytest.mark.parametrize("width", [77, 117, 197])
def test_every_line_of_runs_fills_its_width_and_names_stand_below_each_other(width: int) -> None:
    made = scene()
    found = set()
    for line in lay_out(made, width):
        key = line.key
        parts = line.draw(made, width)
        if key is not None and key[0] == "run":
            assert sum(cell_len(part) for part, _ in parts) == width
            before = []
            for part, tone in parts:
                if tone == "title":
                    break
                before.append(part)
            found.add(cell_len("".join(before)))
    assert len(found) == 1


def test_a_run_on_two_devices_is_listed_once_and_said_of_the_other() -> None:
    state = replace(sample_state(), active=(make_run(3, "running", device="cpu,cuda:0"),))
    shown = text(scene(state), 117)
    assert shown.count("rigl-itop 3") == 1
    assert "run 3 holds it too" in shown
    assert [state.taken(name) for name in ("cpu", "cuda:0", "cuda:1")] == [1, 1, 0]


def test_gpus_that_cannot_be_read_are_said_and_one_that_is_not_there_is_no_trouble() -> None:
    lost = DeviceList((CPU,), "the NVIDIA driver does not answer: Unknown Error", unreadable=True)
    assert "! GPUs cannot be read, so nothing is started on them: the NVIDIA driver" in text(scene(devices=lost), 117)
    none = DeviceList((CPU,), "no NVIDIA driver library (libnvidia-ml)")
    assert "  no GPU: no NVIDIA driver library (libnvidia-ml)" in text(scene(devices=none), 117)


def test_before_the_devices_were_read_the_runs_are_there() -> None:
    shown = text(replace(scene(), sample=None), 77)
    assert "reading the devices" in shown
    assert "queue" in shown


def test_before_the_queue_was_read_nothing_is_said_of_it() -> None:
    """The devices may be there first: it said that the queue is empty, and that no scheduler runs."""
    unread = QueueState()
    assert status(unread, DeviceSample(DEVICES)) == [("reading the queue …", "muted")]
    assert "Queue is empty" not in text(scene(unread), 117)


def test_only_a_run_that_is_running_has_a_speed() -> None:
    running, paused = (
        "".join(part for part, _ in active_line(make_run(3, state, step=730)).draw(scene(), 117))
        for state in ("running", "paused")
    )
    assert running.endswith("9.2k/s")
    assert paused.endswith(" –")


def test_the_schedulers_state_is_said() -> None:
    def told(state: QueueState) -> str:
        return "".join(part for part, _ in status(state, DeviceSample(DEVICES)))

    assert told(sample_state()) == "✓ the scheduler is running   2 running   1 paused   2 of 2 slots taken"
    assert "S starts one" in told(replace(sample_state(), scheduler=False))
    held = replace(sample_state(), scheduler=False, waiting=sample_state().waiting[2:3], queued=1)
    assert "none is needed" in told(held)
    assert "Queue is empty" in text(scene(QueueState(host="workstation")), 77)


def test_a_long_queue_is_listed_in_part_and_says_so() -> None:
    assert text(scene(replace(sample_state(), queued=10_001)), 77).endswith("  and 9,997 more")
    assert "10,001 runs, 1 held" in text(scene(replace(sample_state(), queued=10_001)), 77)


def test_the_line_below_says_what_did_not_fit() -> None:
    made = scene()

    def told(number: int | None, device: str | None = None) -> str:
        run = next((run for run in made.state.waiting if run.id == number), None)
        return "".join(part for part, _ in about(run, device, made))

    assert told(9).endswith("cuda:0 is busy (1 of 1 slot taken); cuda:1 cannot be read: GPU is lost")
    assert "wants auto" in told(9)
    assert "NVIDIA H200" in told(None, "cuda:0")
    assert "1 slot:" in told(None, "cuda:0")
    assert told(None, "cuda:9") == told(None) == ""
