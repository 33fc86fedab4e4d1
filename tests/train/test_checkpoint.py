"""Checkpoint files: whole or not there, plain data only, named when they do not fit."""

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sparse3d.errors import ConfigError, DataError
from sparse3d.train.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint, write_tensors
from sparse3d.train.environment import Environment


def checkpoint(step: int = 3, **task: Any) -> Checkpoint:
    state = {"points": torch.arange(6.0).view(2, 3), "names": ["a", None, True], **task}
    optimizers = {"points": {"state": {0: {"step": torch.tensor(3.0)}}, "lr": 0.1, "betas": (1, 2)}}
    return Checkpoint(
        "toy", "rate: 0.5\n", step, 1.5, state, optimizers, [{"torch": torch.ones(2)}]
    )


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "new" / "checkpoints", "rate: 0.5")
    folder.save(checkpoint())
    found = folder.load("toy")
    assert (found.method, found.step, found.seconds) == ("toy", 3, 1.5)
    assert torch.equal(found.task["points"], torch.arange(6.0).view(2, 3))
    assert found.task["names"] == ["a", None, True]
    assert found.optimizers["points"]["betas"] == (1, 2)
    assert found.environment == Environment.current()
    assert [path.name for path in folder.folder.iterdir()] == ["last.pt"]


def test_another_method_or_configuration_is_named(tmp_path: Path) -> None:
    CheckpointFolder(tmp_path, "rate: 0.5").save(checkpoint())
    with pytest.raises(ConfigError, match=r"last\.pt: a checkpoint of 'other' was expected"):
        CheckpointFolder(tmp_path, "rate: 0.5").load("other")
    with pytest.raises(ConfigError, match=r"trained with rate = 0\.5, which is now 0\.7"):
        CheckpointFolder(tmp_path, "rate: 0.7").load("toy")


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("evil",)


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "text", "pickle", "evil", "other", "more"]
)
def test_other_files_are_refused_and_not_executed(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.pt"
    CheckpointFolder(tmp_path, "").save(checkpoint())
    if damage == "evil":
        torch.save({"x": _Evil()}, path)
    elif damage == "other":
        torch.save({"model": torch.ones(1)}, path)
    elif damage == "more":
        torch.save({**torch.load(path, weights_only=True), "unheard-of": 1}, path)
    else:
        whole = path.read_bytes()
        contents = {"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}
        path.write_bytes(contents.get(damage, pickle.dumps({"x": 1})))
    with pytest.raises(DataError, match=r"last\.pt: "):
        read_checkpoint(path)
    assert not (tmp_path / "evil").exists()


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        CheckpointFolder(tmp_path, "").load("toy")


@pytest.mark.parametrize("value", [np.float64(1.0), {1, 2}, Path("x"), lambda: None])
def test_what_would_not_load_again_is_not_written(tmp_path: Path, value: object) -> None:
    folder = CheckpointFolder(tmp_path, "")
    with pytest.raises(TypeError, match=r"content\.task\.deep\[1\] is of"):
        folder.save(checkpoint(deep=[0, value]))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(tmp_path, "rate: 0.5")
    folder.save(checkpoint(step=1))

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"last\.pt: no space left"):
            folder.save(checkpoint(step=2))
    assert folder.load("toy").step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_a_slice_is_stored_without_the_tensor_it_is_of(tmp_path: Path) -> None:
    write_tensors({"slice": torch.zeros(1_000_000)[:10]}, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 10_000
