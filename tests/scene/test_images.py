"""Image and depth files: whole, damaged, and on a disk that is full."""

import errno
from pathlib import Path

import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.scene.images import check_whole, write_depth, write_rgb


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_only_a_whole_image_passes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_rgb(path, torch.rand(50, 40, 3, generator=torch.Generator().manual_seed(0)))
    check_whole(path)
    content = path.read_bytes()
    for share in (0.1, 0.5, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=rf"a\{suffix}: "):
            check_whole(path)


def test_a_damaged_png_does_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_rgb(path, torch.rand(50, 40, 3, generator=torch.Generator().manual_seed(0)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png: image is damaged"):
        check_whole(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_depth_on_a_full_disk_says_so() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write_depth(Path("/dev/full"), torch.ones(200, 300))
    assert caught.value.errno == errno.ENOSPC
