"""Cameras and the image files that belong to them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparse3d.errors import DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.scene import Camera
from sparse3d.scene.images import write_depth, write_rgb

LENS = Intrinsics(4, 3, 2.0, 2.0, 2.0, 1.5)
EYE = torch.eye(4, dtype=torch.float64)


def camera(image: Path | None = None) -> Camera:
    return Camera("a", LENS, EYE, image)


def test_images_survive_writing_to_8_bits(tmp_path: Path) -> None:
    image = torch.randint(0, 256, (3, 4, 3), generator=torch.Generator().manual_seed(0)) / 255
    write_rgb(tmp_path / "a.png", image)
    torch.testing.assert_close(camera(tmp_path / "a.png").read_image(), image)
    assert camera(tmp_path / "a.png").read_mask() is None


def test_alpha_is_composited_and_is_the_mask(tmp_path: Path) -> None:
    pixels = np.zeros((3, 4, 4), np.uint8)
    pixels[0] = (255, 0, 0, 255)
    pixels[1] = (255, 0, 0, 51)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    seen = camera(tmp_path / "a.png").read_image((0.0, 1.0, 0.5))
    torch.testing.assert_close(seen[:, 0], torch.tensor([[1, 0, 0], [0.2, 0.8, 0.4], [0, 1, 0.5]]))
    mask = camera(tmp_path / "a.png").read_mask()
    assert mask is not None
    assert mask[:, 0].tolist() == [True, False, False]


def test_the_mask_file_goes_before_alpha(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 3)).save(tmp_path / "a.png")
    Image.fromarray(np.full((3, 4), 1, np.uint8)).save(tmp_path / "m.png")
    mask = replace(camera(tmp_path / "a.png"), mask_path=tmp_path / "m.png").read_mask()
    assert mask is not None
    assert bool(mask.all())


@pytest.mark.parametrize(("scale", "png", "npy"), [(None, 2.5, 2500.0), (0.01, 25.0, 25.0)])
def test_depth_files_and_their_units(
    tmp_path: Path, scale: float | None, png: float, npy: float
) -> None:
    Image.fromarray(np.full((3, 4), 2500, np.uint16)).save(tmp_path / "d.png")
    write_depth(tmp_path / "d.npy", torch.full((3, 4), 2500.0))
    for file, expected in (("d.png", png), ("d.npy", npy)):
        depth = replace(camera(), depth_path=tmp_path / file, depth_scale=scale).read_depth()
        assert depth is not None
        assert depth.unique().tolist() == pytest.approx([expected])
    assert camera().read_depth() is None


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damaged_images_are_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (4, 3)).save(path)
    content = path.read_bytes()
    for length in (0, 3, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=f"a{suffix}: "):
            camera(path).read_image()
    with pytest.raises(DataError, match="no such file"):
        camera(tmp_path / f"gone{suffix}").read_image()


def test_damaged_depth_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.npy"
    write_depth(path, torch.ones(3, 4))
    content = path.read_bytes()
    posed = replace(camera(), depth_path=path)
    for length in (0, 20, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"d\.npy: not a readable depth array"):
            posed.read_depth()
    np.save(path, np.ones((3, 4, 1)))
    with pytest.raises(DataError, match="two dimensions"):
        posed.read_depth()
    np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(DataError, match="not a readable depth array"):
        posed.read_depth()


def test_files_of_another_size_are_refused(tmp_path: Path) -> None:
    Image.new("RGBA", (3, 4)).save(tmp_path / "a.png")
    np.save(tmp_path / "d.npy", np.ones((4, 3)))
    wrong = replace(camera(tmp_path / "a.png"), depth_path=tmp_path / "d.npy")
    for read in (wrong.read_image, wrong.read_mask, wrong.read_depth):
        with pytest.raises(
            DataError, match="image is 3x4, but its camera's intrinsics are for 4x3"
        ):
            read()


def test_a_pose_must_be_rigid() -> None:
    for bad in (EYE * float("nan"), 2 * EYE):
        with pytest.raises(ValueError, match="camera a: world_from_camera must be"):
            Camera("a", LENS, bad)


def test_a_camera_without_an_image_says_so() -> None:
    with pytest.raises(ValueError, match="camera a has no image"):
        camera().read_image()
    assert camera().read_mask() is None
