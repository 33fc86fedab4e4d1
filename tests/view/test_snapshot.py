"""Whole pictures through Open3D: exact colours, right places, right order in depth."""

import math
from pathlib import Path

import pytest
import torch

from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import invert_rigid, look_at, transform_points
from sparse3d.scene import Camera, Frame, Gaussians, Mesh, PointCloud, Scene
from sparse3d.scene.formats.registry import open_scene
from sparse3d.scene.gaussians import SH_C0
from sparse3d.view.drawing import Drawing, Lines, Points, Surface
from sparse3d.view.open3d_layer import draw_geometry
from sparse3d.view.snapshot import SnapshotOptions, picture, snapshot
from sparse3d.view.viewpoint import Viewpoint

LENS = Intrinsics(160, 120, 100.0, 110.0, 70.0, 65.0)
STRAIGHT = Viewpoint(LENS, torch.eye(4, dtype=torch.float64))
WHITE = (1.0, 1.0, 1.0)
PAINTS = (
    torch.tensor(
        [[255, 255, 255], [0, 0, 0], [128, 128, 128], [51, 178, 26], [230, 76, 13]],
        dtype=torch.float32,
    )
    / 255
)


def eight_bits(image: torch.Tensor) -> torch.Tensor:
    return (image * 255).round().int()


def posed() -> Viewpoint:
    vectors = torch.tensor([[2.0, -7, 3], [0.3, 0.1, 0.2], [0.1, 0.2, 1]], dtype=torch.float64)
    return Viewpoint(LENS, look_at(*vectors))


def seen_from(viewpoint: Viewpoint, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    local = transform_points(invert_rigid(viewpoint.world_from_camera), points.double())
    return viewpoint.intrinsics.project(local)[0], local[:, 2]


def test_colours_come_out_exactly_and_points_where_they_belong() -> None:
    viewpoint = posed()
    rng = torch.Generator().manual_seed(3)
    places = torch.rand(5, 3, generator=rng) * 4 - 2
    drawing = Drawing(points=(Points(places, PAINTS, size=6.0),))
    image = eight_bits(picture(drawing, viewpoint, (0.2, 0.4, 0.8)))
    pixels, _ = seen_from(viewpoint, places)
    for paint, (x, y) in zip(PAINTS, pixels.floor().int().tolist(), strict=True):
        assert image[y, x].tolist() == eight_bits(paint).tolist()
    assert image[0, 0].tolist() == [51, 102, 204]


def test_depth_is_z_depth_and_infinite_where_nothing_is() -> None:
    viewpoint = posed()
    places = torch.tensor([[0.5, 0.2, 0.1], [-1.0, 2.0, 0.4], [1.0, -3.0, 1.0]])
    drawing = Drawing(points=(Points(places, torch.zeros(3, 3), size=5.0),))
    layer = draw_geometry(drawing, viewpoint, 1)
    pixels, depths = seen_from(viewpoint, places)
    for (x, y), depth in zip(pixels.floor().int().tolist(), depths.tolist(), strict=True):
        assert float(layer.depths[y, x]) == pytest.approx(depth, rel=1e-3)
    assert math.isinf(float(layer.depths[0, 0]))


def test_a_line_runs_between_its_ends() -> None:
    start, end = torch.tensor([[-1.0, -0.5, 4.0]]), torch.tensor([[1.5, 0.8, 6.0]])
    red = torch.tensor([[1.0, 0.0, 0.0]])
    image = picture(Drawing(lines=(Lines(start, end, red, 3.0),)), STRAIGHT, WHITE)
    for share in (0.1, 0.5, 0.9):
        (pixel,), _ = LENS.project(start + share * (end - start))
        assert image[int(pixel[1]), int(pixel[0])].tolist() == [1, 0, 0]
    assert float((image[..., 1] < 1).float().mean()) < 0.05


def square(depth: float, color: tuple[float, float, float], flipped: bool = False) -> Surface:
    """A square ahead that fills the middle of the picture of ``STRAIGHT``."""
    corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]) * depth * 0.3
    corners[:, 2] = depth
    triangles = torch.tensor([[0, 1, 2], [0, 2, 3]])
    colors = torch.tensor(color).expand(4, 3)
    return Surface(corners, triangles.flip(1) if flipped else triangles, colors)


@pytest.mark.parametrize("flipped", [False, True])
def test_the_nearer_surface_is_in_front_from_both_sides(flipped: bool) -> None:
    near, far = square(2.0, (0, 0, 1.0), flipped), square(5.0, (1.0, 0, 0), flipped)
    for surfaces in ((near, far), (far, near)):
        image = picture(Drawing(surfaces=surfaces), STRAIGHT, WHITE)
        assert image[65, 70].tolist() == [0, 0, 1]


def blob(depth: float, opacity: float) -> Gaussians:
    """A large green Gaussian ahead."""
    return Gaussians(
        torch.tensor([[0.0, 0.0, depth]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        torch.full((1, 3), math.log(0.5 * depth)),
        torch.logit(torch.tensor([opacity])),
        (torch.tensor([[[0.0, 1.0, 0.0]]]) - 0.5) / SH_C0,
    )


@pytest.mark.parametrize(("depth", "expected"), [(1.0, (0.1, 0.9, 0.0)), (9.0, (1.0, 0.0, 0.0))])
def test_splats_and_surfaces_hide_each_other_by_depth(
    depth: float, expected: tuple[float, float, float]
) -> None:
    drawing = Drawing(surfaces=(square(4.0, (1.0, 0, 0)),), gaussians=(blob(depth, 0.9),))
    image = picture(drawing, STRAIGHT, WHITE)
    assert image[65, 70].tolist() == pytest.approx(expected, abs=0.02)


def test_a_splat_alone_needs_no_open3d(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Open3D was asked for")

    monkeypatch.setattr("sparse3d.view.snapshot.draw_geometry", refuse)
    image = picture(Drawing(gaussians=(blob(3.0, 0.5), blob(4.0, 0.5))), STRAIGHT, WHITE)
    assert image[65, 70].tolist() == pytest.approx((0.25, 1.0, 0.25), abs=0.01)


def test_splats_of_different_degree_are_drawn_together() -> None:
    flat = blob(4.0, 0.9)
    rich = Gaussians(
        flat.means,
        flat.quaternions,
        flat.log_scales,
        flat.logit_opacities,
        torch.cat([flat.sh, torch.zeros(1, 3, 3)], dim=1),
    )
    both = picture(Drawing(gaussians=(flat, rich)), STRAIGHT, WHITE)
    same = picture(Drawing(gaussians=(flat, flat)), STRAIGHT, WHITE)
    torch.testing.assert_close(both, same)


def test_through_a_camera_points_fall_on_their_pixels() -> None:
    cam = Camera("cam", LENS, posed().world_from_camera)
    points = PointCloud(torch.tensor([[0.5, 0.2, 0.1]]), torch.tensor([[1.0, 0.0, 0.0]]))
    scene = Scene("s", (Frame("f", (cam,)),), points=points)
    image = snapshot([scene], SnapshotOptions(camera="cam"))
    rows, columns = (image[..., 1] < 0.5).nonzero().unbind(1)  # the only thing that is drawn
    middle = torch.stack([columns.double().mean(), rows.double().mean()]) + 0.5
    (wanted,), _ = seen_from(posed(), points.positions)
    assert float((middle - wanted).abs().max()) < 1.0
    assert image.shape == (120, 160, 3)


def test_nothing_to_draw_is_an_error_that_names_the_scene() -> None:
    with pytest.raises(DataError, match="some/where: has nothing that can be drawn"):
        snapshot([Scene("empty", source=Path("some/where"))], SnapshotOptions())


def test_an_unknown_camera_is_an_error() -> None:
    mesh = Mesh(torch.eye(3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(ConfigError, match="there are no cameras"):
        snapshot([Scene("m", mesh=mesh)], SnapshotOptions(camera="3"))


def test_real_lidar_points_and_boxes_agree_with_the_photo(shared_data: Path) -> None:
    """Every drawn sample's depth is that of a LiDAR point, projected without the viewer."""
    scene = open_scene(shared_data / "kitti_mini")
    frame = next(f for f in scene.frames if f.name == "000008")
    cloud = frame.read_points()
    assert cloud is not None
    view = Viewpoint(frame.cameras[0].intrinsics, frame.cameras[0].world_from_camera)
    layer = draw_geometry(
        Drawing(points=(Points(cloud.positions, torch.zeros_like(cloud.positions), 1.0),)), view, 1
    )
    pixels, depths = seen_from(view, cloud.positions)
    inside = (depths > 1) & ((pixels > 1) & (pixels < torch.tensor([1241, 374]))).all(1)
    pixel, depth = pixels[inside].floor().long(), depths[inside]
    nearby = torch.stack(
        [
            layer.depths[pixel[:, 1] + dy, pixel[:, 0] + dx].double()
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
        ]
    )
    found = ((nearby - depth) / depth).abs().amin(0) < 2e-3
    assert float(found.float().mean()) > 0.97  # the others lie behind nearer ones
    assert float(torch.isfinite(layer.depths).float().mean()) < 0.1


def test_a_real_scene_fills_the_picture(shared_data: Path) -> None:
    image = snapshot([open_scene(shared_data / "llff_fern")], SnapshotOptions(320, 200))
    drawn = (image < 1).any(-1)
    rows, columns = drawn.any(1).nonzero()[:, 0], drawn.any(0).nonzero()[:, 0]
    assert image.shape == (200, 320, 3)
    assert max(int(rows[-1] - rows[0]) / 200, int(columns[-1] - columns[0]) / 320) > 0.7
