"""Finding and loading: where files may lie, what is said when they do not, and the bundled digits."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
import torch

from engine.config.catalogue import DATASETS
from engine.config.locations import FIRST_LABELS, LAYOUTS, data_folder, locate
from engine.data import DataCorruptError, DataError, DataMissingError, load_dataset
from engine.data import download as fetching
from tests.engine.data.files import IDX_NAMES, write_cifar_archive, write_mnist

_DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every connection fails at once, as on a machine without a network."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("ITOP_DATA_DIR", raising=False)


def test_digits() -> None:
    bundle = load_dataset("digits", valid_split=0.1, seed=5)
    assert bundle.info == DATASETS["digits"]
    assert (len(bundle.train), len(bundle.part("valid")), len(bundle.test)) == (1_350, 150, 297)
    images = torch.cat([x for x, _ in bundle.batches("train", 100, epoch=0)])
    assert images.shape == (1_350, 1, 8, 8)
    assert abs(float(images.mean())) < 0.02
    assert abs(float(images.std()) - 1) < 0.02
    counts = bundle.test.targets.bincount(minlength=10)
    assert counts.min() >= 29
    assert counts.max() <= 31


def test_the_digits_of_test_are_the_same_for_every_seed_and_never_trained_on() -> None:
    one, other = (load_dataset("digits", valid_split=0.2, seed=seed) for seed in (1, 2))
    (x_one, y_one), (x_other, y_other) = (next(iter(bundle.batches("test", 297))) for bundle in (one, other))
    assert torch.equal(x_one, x_other)
    assert torch.equal(y_one, y_other)
    assert not torch.equal(one.part("valid").targets, other.part("valid").targets)


@pytest.mark.parametrize("folder", [".", "MNIST/raw", "mnist", "MNIST", "mnist/MNIST/raw"])
@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_found_where_it_may_lie(tmp_path: Path, folder: str, zipped: bool) -> None:
    write_mnist(tmp_path / folder, zipped=zipped)
    bundle = load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path)
    assert (len(bundle.train), len(bundle.part("valid")), len(bundle.test)) == (36, 4, 20)
    images, labels = next(iter(bundle.batches("test", 20)))
    raw = images * 0.3081 + 0.1307
    torch.testing.assert_close(raw[:, 0, 14, 14] * 255, torch.arange(20.0))
    torch.testing.assert_close(raw[:, 0, 0, 0] * 255, labels.float())


def test_files_named_with_a_dot_are_found(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    for name in IDX_NAMES:
        (tmp_path / name).rename(tmp_path / name.replace("-idx", ".idx"))
    assert locate("mnist", tmp_path) is not None


def test_a_place_without_all_files_is_passed_over(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    (tmp_path / "MNIST/raw" / f"{IDX_NAMES[3]}.gz").unlink()
    write_mnist(tmp_path / "mnist", zipped=False)
    located = locate("mnist", tmp_path)
    assert located is not None
    assert located.folder == tmp_path / "mnist"


def test_the_folder_is_the_one_given_then_the_variables_then_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ITOP_HOME", str(tmp_path / "home"))
    assert data_folder() == tmp_path / "home" / "data"
    monkeypatch.setenv("ITOP_DATA_DIR", str(tmp_path / "sets"))
    assert data_folder() == tmp_path / "sets"
    assert data_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder("~/mine") == tmp_path / "mine"
    monkeypatch.delenv("ITOP_HOME")
    monkeypatch.delenv("ITOP_DATA_DIR")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert data_folder().name == "data"


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_missing_is_told_in_six_short_lines(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataMissingError) as caught:
        load_dataset(name, valid_split=0.1, seed=0, data_dir=tmp_path / "sets")
    message = str(caught.value)
    lines = message.splitlines()
    assert len(lines) <= 6
    assert all(len(line) < 130 + len(str(tmp_path)) for line in lines)
    for part in (name, str(tmp_path / "sets"), "ITOP_DATA_DIR", LAYOUTS[name].files[0], LAYOUTS[name].files[-1]):
        assert part in message
    if DATASETS[name].download:
        assert "Downloading it failed: no connection (Name or service not known)" in lines
    else:
        assert "Downloading" not in message


def test_a_failed_download_leaves_nothing_behind(tmp_path: Path) -> None:
    assert fetching.download("cifar10", tmp_path) == "no connection (Name or service not known)"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_download_left_is_taken_away_once_it_is_old(tmp_path: Path) -> None:
    old, young = tmp_path / ".download-old", tmp_path / ".download-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "half").write_text("half")
    os.utime(old, (0, 0))
    fetching.download("cifar10", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".download-young"]


def test_nothing_is_fetched_when_that_is_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError) as caught:
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path / "sets", download=False)
    assert "Downloading" not in str(caught.value)
    assert not (tmp_path / "sets").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataMissingError, match="cannot be written to"):
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "sets").write_text("")
    with pytest.raises(DataMissingError, match=r"sets cannot be written to \(File exists\)"):
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path / "sets")


def test_what_is_fetched_is_loaded_and_nothing_else_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's part is played by files put where its classes put them."""

    def fetch(name: str, folder: Path) -> None:
        write_cifar_archive(folder / "cifar-10-python.tar.gz", name, "cifar-10-batches-py")

    monkeypatch.setattr(fetching, "_fetch", fetch)
    bundle = load_dataset("cifar10", valid_split=0.0, seed=0, data_dir=tmp_path / "new" / "sets")
    assert len(bundle.train) == 100
    assert [path.name for path in (tmp_path / "new" / "sets").iterdir()] == ["cifar-10-python.tar.gz"]
    assert socket.getdefaulttimeout() is None


def test_a_download_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_: str, folder: Path) -> None:
        write_mnist(folder / "MNIST" / "raw")

    monkeypatch.setattr(fetching, "_fetch", fetch)
    mine = tmp_path / "MNIST" / "raw" / f"{IDX_NAMES[0]}.gz"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    assert fetching.download("mnist", tmp_path) is None
    assert mine.read_bytes() == b"mine"
    assert (mine.parent / f"{IDX_NAMES[3]}.gz").is_file()


def test_an_incomplete_download_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_fetch", lambda name, folder: (folder / "readme").write_text("no data"))
    with pytest.raises(DataMissingError, match="Downloading it failed: what was fetched is not complete"):
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_torchvision_still_has_the_classes() -> None:
    from torchvision import datasets

    for name in fetching.CLASSES.values():
        assert hasattr(datasets, name)
    assert set(fetching.CLASSES) == {name for name, info in DATASETS.items() if info.download}


def test_parts_that_do_not_belong_together_are_told(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False, train=40)
    write_mnist(tmp_path / "other", zipped=False, train=30)
    (tmp_path / "other" / IDX_NAMES[1]).replace(tmp_path / IDX_NAMES[1])
    with pytest.raises(DataCorruptError, match=r"labels of shape \(30,\), but train-images-idx3-ubyte 40 images"):
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_labels_in_the_place_of_images_are_told(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    (tmp_path / IDX_NAMES[0]).write_bytes((tmp_path / IDX_NAMES[1]).read_bytes())
    with pytest.raises(DataCorruptError, match=r"values of shape \(40,\), not images of 28×28"):
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_one_set_is_not_taken_for_another_of_the_same_names(tmp_path: Path) -> None:
    write_mnist(tmp_path, zipped=False)
    labels = tmp_path / IDX_NAMES[1]
    content = labels.read_bytes()
    labels.write_bytes(content[:8] + FIRST_LABELS["fashion-mnist"] + content[24:])
    with pytest.raises(DataMissingError, match=f"The files in {tmp_path} are those of fashion-mnist"):
        load_dataset("mnist", valid_split=0.1, seed=0, data_dir=tmp_path, download=False)
    assert len(load_dataset("fashion-mnist", valid_split=0.0, seed=0, data_dir=tmp_path).train) == 40


def test_an_unknown_set_is_one_clear_error() -> None:
    with pytest.raises(DataError, match="unknown data set 'cifar': did you mean 'cifar10"):
        load_dataset("cifar", valid_split=0.1, seed=0)


@pytest.mark.skipif(not _DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_fashion_mnist_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITOP_DATA_DIR", str(_DEBIAN))
    bundle = load_dataset("fashion-mnist", valid_split=0.1, seed=17)
    assert bundle.info == DATASETS["fashion-mnist"]
    assert (len(bundle.train), len(bundle.part("valid")), len(bundle.test)) == (54_000, 6_000, 10_000)
    assert bundle.part("valid").targets.bincount().tolist() == [600] * 10
    assert bundle.test.targets.bincount().tolist() == [1_000] * 10
    images = torch.cat([x for x, _ in bundle.batches("train", 6_000)])
    assert abs(float(images.mean())) < 0.01
    assert abs(float(images.std()) - 1) < 0.01
    with pytest.raises(DataMissingError, match="are those of fashion-mnist"):
        load_dataset("mnist", valid_split=0.1, seed=17, download=False)


def test_facts_are_json() -> None:
    """The plan and the form send them between processes."""
    from dataclasses import asdict

    assert json.loads(json.dumps([asdict(info) for info in DATASETS.values()]))
