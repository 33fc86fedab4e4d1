"""What a scene holds: rows correspond, angles are wrapped, stored values are read when asked."""

import math
from pathlib import Path

import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.scene import Boxes3D, Frame, Gaussians, ImageBoxes, Mesh, PointCloud, Scene, Stored


def cloud(n: int = 4) -> PointCloud:
    rows = torch.arange(n).float()
    return PointCloud(
        torch.stack([rows, rows + 10, rows + 20], 1),
        intensities=rows,
        rings=torch.arange(n),
        extra={"curvature": rows + 0.5},
    )


def test_selected_points_keep_all_their_attributes() -> None:
    for rows in (torch.tensor([2, 0]), torch.tensor([True, False, True, False])):
        picked = cloud().select(rows)
        assert picked.intensities is not None
        assert picked.positions[:, 0].tolist() == picked.intensities.tolist()
        assert (picked.extra["curvature"] - picked.intensities).tolist() == [0.5, 0.5]
        assert sorted(picked.attributes()) == ["curvature", "intensities", "rings"]
    assert len(cloud().select(torch.empty(0, dtype=torch.long))) == 0


def test_attributes_must_have_a_row_for_each_point() -> None:
    # The shape checker of the test run comes first; without it, the class itself refuses.
    with pytest.raises((TypeError, ValueError), match="curvature"):
        PointCloud(torch.zeros(4, 3), extra={"curvature": torch.zeros(3)})


def boxes() -> Boxes3D:
    rows = torch.arange(3).float()
    image = ImageBoxes(torch.zeros(3, 4), rows, rows, torch.arange(3))
    return Boxes3D(
        torch.zeros(3, 3), torch.ones(3, 3), rows * math.pi, ("a", "b", "c"), rows, image=image
    )


def test_yaws_are_wrapped_and_boxes_selected() -> None:
    assert boxes().yaws.tolist() == pytest.approx([0, math.pi, 0], abs=1e-6)
    for rows in (torch.tensor([2, 0]), torch.tensor([True, False, True])):
        picked = boxes().select(rows)
        assert set(picked.names) == {"a", "c"}
        assert picked.scores is not None
        assert picked.image is not None
        assert ["abc"[int(score)] for score in picked.scores] == list(picked.names)
        assert picked.image.alphas.tolist() == picked.scores.tolist()
    assert boxes().rows().shape == (3, 7)


def test_impossible_boxes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 names for 3 boxes"):
        Boxes3D(torch.zeros(3, 3), torch.ones(3, 3), torch.zeros(3), ("a", "b"))
    for size in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="sizes must be positive"):
            Boxes3D(torch.zeros(1, 3), torch.tensor([[1.0, 1.0, size]]), torch.zeros(1), ("a",))


@pytest.mark.parametrize(("coefficients", "degree"), [(1, 0), (4, 1), (9, 2), (16, 3)])
def test_the_degree_of_spherical_harmonics(coefficients: int, degree: int) -> None:
    sh = torch.zeros(2, coefficients, 3)
    splat = Gaussians(torch.zeros(2, 3), torch.ones(2, 4), torch.zeros(2, 3), torch.zeros(2), sh)
    assert splat.sh_degree == degree
    assert len(splat.select(torch.tensor([True, False]))) == 1
    with pytest.raises(ValueError, match="must have 1, 4, 9 or 16"):
        splat.__class__(
            splat.means, splat.quaternions, splat.log_scales, splat.logit_opacities, sh[:, :0]
        )


def test_triangles_name_vertices_that_exist() -> None:
    for bad in (3, -1):
        with pytest.raises(ValueError, match="triangles name vertices"):
            Mesh(torch.zeros(3, 3), torch.tensor([[0, 1, bad]]))
    assert len(Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long)).triangles) == 0


def test_stored_values_are_read_each_time_they_are_asked_for() -> None:
    asked = []

    def reader(path: Path) -> PointCloud:
        asked.append(path)
        return cloud()

    scene = Scene("s", (Frame("f", points=Stored(Path("a"), reader, 4)),), points=cloud())
    assert asked == []
    points = scene.frames[0].read_points()
    assert points is not None
    assert (len(points), asked) == (4, [Path("a")])
    assert scene.read_points() is scene.points
    assert (scene.read_mesh(), scene.read_gaussians(), scene.frames[0].read_boxes()) == (None,) * 3


def test_a_frame_without_a_pose_stands_at_the_origin() -> None:
    assert torch.equal(Frame("f").pose(), torch.eye(4, dtype=torch.float64))


def test_cameras_that_are_needed_and_missing_name_the_source() -> None:
    with pytest.raises(DataError, match="here/x: posed cameras expected"):
        Scene("s", source=Path("here/x")).require_cameras()
