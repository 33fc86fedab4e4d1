"""Colours of things that have none."""

import pytest
import torch

from sparse3d.scene import Mesh, PointCloud
from sparse3d.view.palette import class_color, mesh_colors, point_colors

UP = torch.tensor([0.0, 0.0, 1.0])


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_heights_give_colours_in_range(count: int) -> None:
    rng = torch.Generator().manual_seed(count)
    colors = point_colors(PointCloud(torch.randn(count, 3, generator=rng)), UP)
    assert colors.shape == (count, 3)
    assert bool(((colors >= 0) & (colors <= 1)).all())


def test_higher_points_are_lighter_along_any_up() -> None:
    axis = torch.nn.functional.normalize(torch.tensor([1.0, -2.0, 0.5]), dim=0)
    cloud = PointCloud(torch.linspace(-3, 9, 100)[:, None] * axis)
    luminance = point_colors(cloud, axis) @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert bool((luminance.diff()[3:-3] >= 0).all())
    assert float(luminance[-1] - luminance[0]) > 0.4


def test_own_colours_are_kept() -> None:
    colors = torch.tensor([[0.1, 0.2, 0.3]])
    assert torch.equal(point_colors(PointCloud(torch.zeros(1, 3), colors), UP), colors)
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]), colors=torch.eye(3))
    assert torch.equal(mesh_colors(mesh, UP), torch.eye(3))


def test_bare_surfaces_are_shaded_by_their_slope() -> None:
    flat = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    wall = Mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 1]]), torch.tensor([[0, 1, 2]]))
    assert float(mesh_colors(flat, UP).min()) > float(mesh_colors(wall, UP).max())


def test_case_does_not_change_a_known_class() -> None:
    assert class_color("car") == class_color("Car")
