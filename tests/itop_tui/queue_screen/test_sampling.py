from __future__ import annotations

import os
import threading

from engine.launch.devices import DeviceList
from itop_tui.screens.queue.sampling import KEPT, Sample, Sampler, Tracks, strangers
from tests.itop_tui.queue_screen.support import BROKEN, CPU, DEVICES, GPU


def test_the_first_look_tells_no_load_of_the_processor_and_all_others_do() -> None:
    tracks = Tracks()
    tracks.add([CPU, GPU, BROKEN])
    tracks.add([CPU, GPU, BROKEN])
    assert list(tracks.of("cpu").load) == [None, 0.43]
    assert list(tracks.of("cuda:0").load) == [0.97, 0.97]
    assert list(tracks.of("cuda:0").temperature) == [88.0, 88.0]
    assert list(tracks.of("cuda:1").memory) == [None, None]
    assert not tracks.of("cuda:7").load


def test_some_minutes_are_kept_and_all_samples_are_counted() -> None:
    tracks = Tracks()
    for _ in range(KEPT + 5):
        tracks.add([CPU])
    assert (len(tracks.of("cpu").load), tracks.of("cpu").seen) == (KEPT, KEPT + 5)


def test_a_program_of_nobody_we_know_is_named_and_our_own_is_not() -> None:
    from dataclasses import replace

    from engine.launch.devices import DeviceProcess

    mine = os.getpid()
    gpu = replace(GPU, processes=(DeviceProcess(4242, 5), DeviceProcess(mine, 7), DeviceProcess(2**22 + 1, None)))
    found = strangers([CPU, gpu], {4242})
    assert list(found) == ["cuda:0"]
    assert [(one.pid, one.memory) for one in found["cuda:0"]] == [(mine, 7), (2**22 + 1, None)]
    assert found["cuda:0"][0].name
    assert found["cuda:0"][1].name == ""


def test_the_sampler_goes_on_until_it_is_stopped() -> None:
    got: list[Sample] = []
    enough = threading.Event()

    def take(sample: Sample) -> None:
        got.append(sample)
        if len(got) == 2:
            enough.set()

    sampler = Sampler(lambda: DEVICES, lambda: {4242, 1}, take)
    thread = threading.Thread(target=sampler.run)
    thread.start()
    assert enough.wait(10)
    sampler.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(got[0].devices, DeviceList)
    assert got[0].strangers == {}
