"""CIFAR's pickles: read from a folder and from an archive, and never run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.config.catalogue import DATASETS
from engine.config.locations import locate
from engine.data import DataCorruptError, load_dataset
from engine.data.cifar import read_cifar_set, unpickle
from tests.engine.data.files import cifar_files, cifar_pickle, write_cifar, write_cifar_archive

_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
_ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
@pytest.mark.parametrize("place", ["folder", "named", "itself", "archive"])
def test_every_layout_reads_the_same(tmp_path: Path, name: str, place: str) -> None:
    if place == "archive":
        write_cifar_archive(tmp_path / _ARCHIVES[name], name, _FOLDERS[name])
    else:
        inner = {"folder": _FOLDERS[name], "named": f"{name}/{_FOLDERS[name]}", "itself": "."}[place]
        write_cifar(tmp_path / inner, name)
    located = locate(name, tmp_path)
    assert located is not None
    images, labels, test_images, test_labels = read_cifar_set(DATASETS[name], located)
    count = 100 if name == "cifar10" else 40
    assert images.shape == (count, 3, 32, 32)
    assert images.dtype == torch.uint8
    assert images[:, 2, 31, 31].tolist() == list(range(count))
    assert labels.tolist() == [value % DATASETS[name].classes for value in range(count)]
    assert test_images[:, 0, 0, 0].tolist() == list(range(count, count + 20))
    assert test_labels.tolist() == [value % DATASETS[name].classes for value in range(count, count + 20)]


def test_planes_are_colours(tmp_path: Path) -> None:
    """A row holds 1,024 reds, then greens, then blues, each row by row."""
    files = cifar_files("cifar10")
    data = np.arange(3072, dtype=np.int64).astype(np.uint8).reshape(1, 3072)
    data[0, 1024] = 77  # the first green
    data[0, 33] = 99  # red, second row, second column
    files["test_batch"] = pickle.dumps({"data": data, "labels": [3]}, protocol=4)
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    located = locate("cifar10", tmp_path)
    assert located is not None
    image = read_cifar_set(DATASETS["cifar10"], located)[2][0]
    assert (int(image[1, 0, 0]), int(image[0, 1, 1])) == (77, 99)


class _Malicious:
    """What unpickling must never do."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    content = pickle.dumps({"data": _Malicious(), "labels": []}, protocol=protocol)
    with pytest.raises(DataCorruptError, match=r"mkdir is not allowed in a data file"):
        unpickle(content, "data_batch_1")
    assert list(tmp_path.iterdir()) == []
    pickle.loads(content)  # the same bytes do harm without the guard: the test can fail
    assert (tmp_path / "pwned").exists()


def test_an_object_array_cannot_smuggle_one_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    array = np.array([_Malicious()], dtype=object)
    with pytest.raises(DataCorruptError, match="is not allowed"):
        unpickle(pickle.dumps({"data": array}), "data_batch_1")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data_batch_2 is not a CIFAR file"),
        (cifar_pickle(20, 10, 0)[:5000], "data_batch_2 is not a CIFAR file.*delete it and fetch it again"),
        (b"\0" * 100, "data_batch_2 is not a CIFAR file"),
        (pickle.dumps([1, 2]), "data_batch_2 is not a CIFAR file: it holds a list"),
        (pickle.dumps({"labels": [1]}), "data_batch_2 holds no images of 3×32×32 bytes"),
        (pickle.dumps({"data": np.zeros((2, 3072)), "labels": [1, 2]}), "data_batch_2 holds no images"),
        (pickle.dumps({"data": np.zeros((2, 10), np.uint8), "labels": [1, 2]}), "data_batch_2 holds no images"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8)}), "data_batch_2 holds no labels from 0 to 9"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 10]}), "holds no labels from 0 to 9"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}), "holds 2 images and 1 labels"),
        (pickle.dumps({"data": np.zeros((0, 3072), np.uint8), "labels": []}), "holds 0 images and 0 labels"),
    ],
)
def test_damage_is_told_with_the_files_name(tmp_path: Path, content: bytes, message: str) -> None:
    write_cifar(tmp_path, "cifar10")
    (tmp_path / "data_batch_2").write_bytes(content)
    with pytest.raises(DataCorruptError, match=message):
        load_dataset("cifar10", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_a_damaged_archive_is_told(tmp_path: Path) -> None:
    path = tmp_path / _ARCHIVES["cifar100"]
    write_cifar_archive(path, "cifar100", _FOLDERS["cifar100"])
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"<html>404</html>", b""):
        path.write_bytes(content)
        with pytest.raises(DataCorruptError, match=r"cifar-100-python\.tar\.gz"):
            load_dataset("cifar100", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_the_archive_of_the_other_set_is_told(tmp_path: Path) -> None:
    write_cifar_archive(tmp_path / _ARCHIVES["cifar10"], "cifar100", _FOLDERS["cifar100"])
    with pytest.raises(DataCorruptError, match="holds no data_batch_1"):
        load_dataset("cifar10", valid_split=0.1, seed=0, data_dir=tmp_path)


def test_validation_comes_out_of_the_training_set_and_is_not_augmented(tmp_path: Path) -> None:
    write_cifar(tmp_path, "cifar100")
    bundle = load_dataset("cifar100", valid_split=0.25, seed=3, data_dir=tmp_path)
    assert (len(bundle.train), bundle.valid and len(bundle.valid), len(bundle.test)) == (30, 10, 20)
    assert (bundle.info.train_size, bundle.info.test_size, bundle.info.classes) == (40, 20, 100)
    train = {int(x) for x in bundle.train.targets}
    valid = {int(x) for x in bundle.part("valid").targets}
    assert train | valid == set(range(40))
    assert not train & valid
    # Every file image is one colour, so black borders betray a padded crop.
    assert all(float(x.std(dim=(2, 3)).max()) < 1e-5 for x, _ in bundle.batches("valid", 5))
    held = bundle.part("valid").shuffled(5, seed=0, epoch=0)
    assert all(float(x.std(dim=(2, 3)).max()) < 1e-5 for x, _ in held)
    assert any(float(x.std(dim=(2, 3)).max()) > 0.1 for x, _ in bundle.batches("train", 5))
    plain = load_dataset("cifar100", valid_split=0.25, seed=3, data_dir=tmp_path, augment=False)
    assert all(float(x.std(dim=(2, 3)).max()) < 1e-5 for x, _ in plain.batches("train", 5))
