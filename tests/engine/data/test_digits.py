"""The bundled digits are scikit-learn's, read without importing it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest
import torch
from sklearn import datasets

from engine.data.data_errors import DataMissingError
from engine.data.digits import TEST_SIZE, load_digits
from engine.data.split import evenly_spaced_split


def test_they_are_those_of_scikit_learn() -> None:
    theirs = datasets.load_digits()
    kept, held = evenly_spaced_split(torch.from_numpy(theirs.target), TEST_SIZE)
    for ours, places in zip(load_digits(), (kept, held), strict=True):
        assert torch.equal(ours.inputs.squeeze(1), torch.from_numpy(theirs.images).to(torch.uint8)[places])
        assert torch.equal(ours.targets, torch.from_numpy(theirs.target).to(torch.int64)[places])


def test_they_are_loaded_without_scikit_learn() -> None:
    code = "import sys; from engine.data.digits import load_digits; load_digits(); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_file_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataMissingError, match="scikit-learn"):
        load_digits()
