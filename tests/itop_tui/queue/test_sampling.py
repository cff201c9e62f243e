from __future__ import annotations

import os
import threading
from dataclasses import replace

from engine.launch.devices import DeviceList, DeviceProcess
from itop_tui.queue.sampling import KEPT, Sample, Sampler, Tracks, programs
from tests.itop_tui.queue.support import BROKEN, CPU, DEVICES, GPU


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


def test_the_programs_on_a_gpu_are_named_where_they_can_be_seen() -> None:
    mine = os.getpid()
    gpu = replace(GPU, processes=(DeviceProcess(2**22 + 1, None), DeviceProcess(mine, 7), DeviceProcess(mine, 9)))
    found = programs([CPU, gpu])
    assert list(found) == ["cuda:0"]
    assert [(one.pid, one.memory) for one in found["cuda:0"]] == [(mine, 9), (mine, 7), (2**22 + 1, None)]
    assert found["cuda:0"][0].name
    assert found["cuda:0"][2].name == ""


def test_the_sampler_goes_on_until_it_is_stopped() -> None:
    got: list[Sample] = []
    enough = threading.Event()

    def take(sample: Sample) -> None:
        got.append(sample)
        if len(got) == 2:
            enough.set()

    sampler = Sampler(lambda: DEVICES, take)
    thread = threading.Thread(target=sampler.run)
    thread.start()
    assert enough.wait(10)
    sampler.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(got[0].devices, DeviceList)
    assert [one.pid for one in got[0].programs["cuda:0"]] == [1, 4242]
