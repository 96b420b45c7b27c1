"""A disk that fills is said to be full, whatever writes; nothing is half written, and with room it goes on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from small_disk import MEGABYTE, SmallDisk
from tiny_training import TRAIN, Run, parts

from facematch.core.errors import FacematchError
from facematch.core.files import replacing, write_bytes

Disk = Callable[[int], SmallDisk]


def _torch(path: Path, size: int) -> None:
    with replacing(path) as temporary:
        torch.save({"network": torch.zeros(size // 8), "optimiser": torch.zeros(size // 8)}, temporary)


def _safetensors(path: Path, size: int) -> None:
    with replacing(path) as temporary:
        save_file({"vectors": np.zeros(size, np.uint8)}, temporary)


def _bytes(path: Path, size: int) -> None:
    write_bytes(path, bytes(size))


@pytest.mark.parametrize("leave", [0, 64 << 10, 3 * MEGABYTE])
@pytest.mark.parametrize("write", [_bytes, _torch, _safetensors])
def test_a_file_that_does_not_fit_is_said_and_the_old_one_stays(
    small_disk: Disk, write: Callable[[Path, int], None], leave: int
) -> None:
    disk = small_disk(16 * MEGABYTE)
    path = disk.path / "f.bin"
    write(path, 1000)
    before = path.read_bytes()
    disk.fill(leave=leave or (0 if disk.mounted else 4096))
    with pytest.raises(FacematchError, match=f"f.bin could not be written: {disk.full}"):
        write(path, 4 * MEGABYTE)
    assert path.read_bytes() == before
    disk.free()
    assert [each.name for each in disk.path.iterdir()] == ["f.bin"]
    write(path, 4 * MEGABYTE)
    assert path.stat().st_size >= 4 * MEGABYTE


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("leave", [8, 16, 60, 1400, 4000, 7000])
def test_a_training_says_so_and_ends_with_the_same_bits_when_there_is_room(
    small_disk: Disk,
    tiny: Path,
    run: Run,
    unbroken: list[object],
    monkeypatch: pytest.MonkeyPatch,
    leave: int,
    every_step: bool,
) -> None:
    disk = small_disk(32 * MEGABYTE)
    if leave > 4500 and not (disk.mounted and every_step):
        pytest.skip("all of it fits")
    if every_step:
        monkeypatch.setattr("facematch.tasks.training.loop._SAVE_EVERY_SECONDS", -1.0)
    training = (*TRAIN, "--set", f"paths.checkpoints={disk.path / 'runs'}")
    disk.fill(leave << 10)
    ended = run(*training)
    disk.free()
    assert ended.code == 1
    assert f"could not be written: {disk.full}" in ended.text
    assert "Traceback" not in ended.text
    made = disk.path / "runs" / "tiny"
    assert (made / "state.pt").is_file() == (leave == 7000)
    ended = run(*training, *(["--resume"] if (made / "settings.yaml").is_file() else []))
    assert ended.code == 0, ended.text
    assert parts(made) == unbroken
    assert not list(disk.path.rglob(".*"))
