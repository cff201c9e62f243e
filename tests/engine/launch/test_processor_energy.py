"""The energy of processors by files such as Linux has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.launch.processor_energy import ProcessorEnergy


def counters(folder: Path, **microjoules: int) -> None:
    for name, value in microjoules.items():
        package = folder / f"intel-rapl:{name.removeprefix('package_')}"
        package.mkdir(exist_ok=True)
        (package / "energy_uj").write_text(f"{value}\n")
        (package / "max_energy_range_uj").write_text("100000000\n")


def test_all_processors_count_together_and_a_counter_may_start_again(tmp_path: Path) -> None:
    counters(tmp_path, package_0=10_000_000, package_1=99_000_000)
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the first processor, which has counted it already
    meter = ProcessorEnergy(tmp_path)
    assert meter.read() == 0.0
    counters(tmp_path, package_0=15_000_000, package_1=2_000_000)
    assert meter.read() == pytest.approx(5.0 + 3.0)
    counters(tmp_path, package_0=16_000_000)
    assert meter.read() == pytest.approx(9.0)


def test_what_is_not_counted_or_may_not_be_read_is_not_known(tmp_path: Path) -> None:
    assert ProcessorEnergy(tmp_path / "absent").read() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert ProcessorEnergy(tmp_path).read() is None
    counters(tmp_path, package_0=1)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    assert ProcessorEnergy(tmp_path).read() is None
