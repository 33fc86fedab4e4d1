"""Drawings against a loop over all pixels, and the properties that they promise."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sparse3d.geometry.transforms import look_at
from sparse3d.geometry.views import Views
from sparse3d.ops.backend import Backend, has_native, native_module
from sparse3d.ops.draw import Drawing, Lines, Points, Primitive, Triangles, draw

needs_native = pytest.mark.skipif(not has_native(), reason="the C++ kernels were not built")
FAST = ["torch", pytest.param("native", marks=needs_native)]
BACKENDS = ["reference", *FAST]


def posed(width: int = 29, height: int = 17, count: int = 1) -> Views:
    """Cameras around the origin, with focal lengths and centre that differ by axis."""
    eyes = torch.tensor([[2.0, -3, 1], [-2, -1.5, 2]], dtype=torch.float64)[:count]
    up = torch.tensor([0.1, 0.2, 1], dtype=torch.float64)
    poses = torch.stack([look_at(eye, torch.zeros_like(eye), up) for eye in eyes])
    scale = max(width, height)
    matrix = [[0.9 * scale, 0, 0.45 * width], [0, 1.1 * scale, 0.55 * height], [0, 0, 1]]
    return Views(poses, torch.tensor([matrix] * count, dtype=torch.float64), width, height)


def straight(width: int, height: int) -> Views:
    """A camera at the origin that maps x, y at depth 1 to the same pixels."""
    return Views(torch.eye(4)[None], torch.eye(3)[None], width, height)


class Numbers:
    """Random values, the same ones every time."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int) -> Tensor:
        """Normally distributed ones."""
        return torch.randn(shape, generator=self.generator)

    def colors(self, *shape: int) -> Tensor:
        """RGB in [0, 1]."""
        return torch.rand(*shape, 3, generator=self.generator)

    def faces(self, count: int, vertices: int) -> Tensor:
        """Numbers of three vertices a face."""
        return torch.randint(vertices, (count, 3), generator=self.generator)


def things() -> dict[str, list[Primitive]]:
    """Scenes that a drawer may stumble over; many of them reach behind the camera."""
    rng = Numbers()
    cloud, far = rng.normal(60, 3), rng.normal(20, 3) * 4
    ends, mesh = rng.normal(2, 12, 3) * 3, rng.normal(14, 3) * 2
    points = Points(cloud, rng.colors(60), 1.3)
    large = Points(far, rng.colors(20), 0.31, "world")
    lines = Lines(ends[0], ends[1], rng.colors(12), 2.2)
    surface = Triangles(mesh, rng.faces(25, 14), rng.colors(14))
    shaded = Triangles(mesh.double(), rng.faces(25, 14), rng.colors(25), "face", shaded=True)
    spot = torch.tensor([[0.2, 0.1, -0.3]]).expand(3, 3)
    return {
        "points": [points],
        "points of world size": [large],
        "points of no size": [replace(points, radius=0.0)],
        "points of float64": [replace(points, positions=cloud.double() + 1e-9)],
        "duplicates": [points, replace(points, colors=1 - points.colors)],
        "lines": [lines],
        "lines that are nearer": [surface, replace(lines, bias=0.2)],
        "lines of no width": [replace(lines, width=0.0)],
        "lines of no length": [Lines(spot, spot, rng.colors(3), 5.0)],
        "triangles": [surface],
        "shaded triangles": [shaded],
        "degenerate triangles": [
            replace(surface, faces=torch.tensor([[0, 0, 1], [2, 2, 2], [3, 4, 5]]))
        ],
        "all": [large, lines, surface, points, shaded],
        "none": [],
        "empty ones": [
            Points(torch.zeros(0, 3), torch.zeros(0, 3)),
            Lines(torch.zeros(0, 3), torch.zeros(0, 3), torch.zeros(0, 3)),
            Triangles(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, 3)),
            points,
        ],
    }


def assert_same(actual: Drawing, expected: Drawing) -> None:
    """Depths and numbers to the bit; colours are interpolated in another precision."""
    assert torch.equal(actual.ids, expected.ids)
    assert torch.equal(actual.depths, expected.depths)
    torch.testing.assert_close(actual.colors, expected.colors, atol=1e-6, rtol=0)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("name", things())
def test_equals_the_loop_over_all_pixels(backend: Backend, name: str) -> None:
    views, scene = posed(), things()[name]
    expected = draw(scene, views, backend="reference", background=(0.1, 0.2, 0.3))
    assert_same(draw(scene, views, backend=backend, background=(0.1, 0.2, 0.3)), expected)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (67, 3), (64, 1), (130, 2)])
def test_equals_the_loop_at_odd_sizes(backend: Backend, size: tuple[int, int]) -> None:
    scene, views = things()["all"], posed(*size)
    assert_same(draw(scene, views, backend=backend), draw(scene, views, backend="reference"))


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equals_the_loop_right_at_the_camera(backend: Backend, seed: int) -> None:
    """Most faces and lines cross the near plane, and become larger than any picture."""
    rng = Numbers(seed)
    eye = torch.tensor([2.0, -3, 1])
    places = eye + rng.normal(30, 3) * 0.3
    scene = [
        Triangles(places, rng.faces(30, 30), rng.colors(30)),
        Lines(places[:15], places[15:], rng.colors(15), 1.0),
        Points(places, rng.colors(30), 0.01, "world"),
    ]
    expected = draw(scene, posed(31, 19), near=0.05, backend="reference")
    assert_same(draw(scene, posed(31, 19), near=0.05, backend=backend), expected)
    assert float((expected.ids >= 0).float().mean()) > 0.5


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_views_are_drawn_each_for_itself(backend: Backend) -> None:
    both, scene = posed(17, 11, count=2), things()["shaded triangles"]
    together = draw(scene, both, backend=backend)
    for i in range(2):
        one = Views(both.world_from_camera[i : i + 1], both.matrices[i : i + 1], 17, 11)
        alone = draw(scene, one, backend=backend)
        assert torch.equal(together.colors[i], alone.colors[0])
    assert not torch.equal(together.ids[0], together.ids[1])


@needs_native
@pytest.mark.parametrize("isa", ["baseline", "avx2", "avx512"])
def test_native_gives_the_same_bits_on_every_instruction_set(isa: str) -> None:
    native = native_module()
    if isa not in native.available_isas():
        pytest.skip(f"this machine or build has no {isa}")
    scene, views = things()["all"], posed(150, 90)
    expected = draw(scene, views, backend="torch")
    try:
        native.set_isa(isa)
        assert_same(draw(scene, views, backend="native"), expected)
    finally:
        native.set_isa("auto")


@needs_native
def test_native_is_the_same_for_any_number_of_threads() -> None:
    rng, threads, results = Numbers(1), torch.get_num_threads(), []
    scene = [*things()["all"], Points((rng.normal(50_000, 3) * 4).round() / 4, rng.colors(50_000))]
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(draw(scene, posed(200, 130), backend="native"))
    finally:
        torch.set_num_threads(threads)
    for one in results[1:]:
        assert torch.equal(one.ids, results[0].ids)
        assert torch.equal(one.depths, results[0].depths)
        assert torch.equal(one.colors, results[0].colors)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_order_of_points_at_different_depths_changes_nothing(backend: Backend) -> None:
    points = things()["points"][0]
    assert isinstance(points, Points)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(2))
    mixed = Points(points.positions[order], points.colors[order], points.radius)
    straight, shuffled = (draw([p], posed(), backend=backend) for p in (points, mixed))
    assert torch.equal(straight.colors, shuffled.colors)
    assert torch.equal(straight.depths, shuffled.depths)


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_equally_near_things_the_first_is_seen(backend: Backend) -> None:
    here, red, blue = torch.tensor([[2.5, 1.5, 1.0]]), torch.eye(3)[:1], torch.eye(3)[2:]
    corners = torch.tensor([[0.0, 0, 1], [9, 0, 1], [0, 9, 1]])
    face = Triangles(corners, torch.tensor([[0, 1, 2]]), blue, "face")
    dot = Points(here, red)
    assert draw([dot, face], straight(5, 4), backend=backend).ids[0, 1, 2] == 0
    assert draw([face, dot], straight(5, 4), backend=backend).ids[0, 1, 2] == 0
    twice = Points(here.repeat(2, 1), torch.cat([red, blue]))
    assert draw([twice], straight(5, 4), backend=backend).colors[0, 1, 2].tolist() == [1, 0, 0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("samples", [1, 2])
def test_a_fan_of_triangles_covers_every_pixel_once(backend: Backend, samples: int) -> None:
    """Around pixel centres, borders and odd places: no gap, and nothing is drawn twice."""
    width, height = 21, 17
    border = [[-3.0, -2], [10.5, -2], [25, -3], [26, 8.5], [24, 20], [7.25, 21], [-2, 19], [-4, 5]]
    for middle in ([10.5, 8.5], [10.0, 8.0], [7.3, 11.9]):
        vertices = torch.tensor([middle, *border])
        vertices = torch.cat([vertices, torch.ones(9, 1)], 1)
        faces = torch.tensor([[0, i, i % 8 + 1] for i in range(1, 9)])
        counts = torch.zeros(height * samples, width * samples)
        for face in faces:
            fine = Views(
                torch.eye(4)[None],
                torch.diag(torch.tensor([samples, samples, 1.0]))[None],
                width * samples,
                height * samples,
            )
            one = Triangles(vertices, face[None], torch.ones(1, 3), "face")
            counts += draw([one], fine, backend=backend).ids[0] >= 0
        assert torch.equal(counts, torch.ones_like(counts))


@pytest.mark.parametrize("backend", BACKENDS)
def test_neighbours_share_an_edge_without_gap_after_clipping(backend: Backend) -> None:
    """A floor that runs from behind the camera to the horizon, of two faces."""
    corners = torch.tensor([[-30.0, 1, -60], [90, 1, -70], [30, 1, 60], [-85, 1, 50]])
    views = Views(torch.eye(4)[None], torch.tensor([[[9.0, 0, 10], [0, 9, 3], [0, 0, 1]]]), 21, 15)
    floor = Triangles(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.ones(4, 3))
    drawn = draw([floor], views, backend=backend)
    assert bool((drawn.ids[0, 4:] >= 0).all())
    assert {0, 1} <= set(drawn.ids.unique().tolist())
    expected = 9 / (torch.arange(4, 15) + 0.5 - 3)  # y = 1 = (v - 3) z / 9
    torch.testing.assert_close(
        drawn.depths[0, 4:], expected[:, None].expand(-1, 21), rtol=0.02, atol=0
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_on_pixel_borders_belong_to_the_pixel_after(backend: Backend) -> None:
    places = torch.tensor([[1.0, 1.0, 1.0], [3.0, 2.5, 1.0], [5.0, 1.0, 1.0], [-0.1, 0.0, 1.0]])
    ids = draw([Points(places, torch.ones(4, 3), 0.1)], straight(5, 4), backend=backend).ids[0]
    assert ids.tolist() == [[-1] * 5, [-1, 0, -1, -1, -1], [-1, -1, -1, 1, -1], [-1] * 5]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dot_is_round(backend: Backend) -> None:
    dot = Points(torch.tensor([[2.5, 2.5, 1.0]]), torch.ones(1, 3), 2.1)
    rows = draw([dot], straight(5, 5), backend=backend).ids[0] >= 0
    assert rows.sum(1).tolist() == [1, 3, 5, 3, 1]
    same = draw([replace(dot, radius=2.0)], straight(5, 5), backend=backend).ids[0] >= 0
    assert same.sum(1).tolist() == [0, 3, 3, 3, 0]  # a centre at the radius is not in the dot


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_dot_of_world_size_shrinks_with_depth(backend: Backend) -> None:
    places = torch.tensor([[20.5, 20.5, 1.0], [41.0, 41.0, 2.0]])
    near, far = (
        draw([Points(place[None], torch.ones(1, 3), 8.0, "world")], straight(41, 41))
        for place in places
    )
    assert [int((d.ids >= 0).any(1).sum()) for d in (near, far)] == [15, 7]


@pytest.mark.parametrize("backend", BACKENDS)
def test_colours_and_depths_are_correct_in_perspective(backend: Backend) -> None:
    """At the pixel halfway between depths 1 and 3, 1 / z is halfway: z is 1.5, a quarter along."""
    line = Lines(
        torch.tensor([[0.5, 0.5, 1.0]]), torch.tensor([[13.5, 1.5, 3.0]]), torch.ones(1, 3)
    )
    assert float(draw([line], straight(5, 1), backend=backend).depths[0, 0, 2]) == 1.5
    corners = torch.tensor([[0.5, 0.5, 1.0], [13.5, 1.5, 3.0], [0.5, 9.5, 1.0]])
    face = Triangles(
        corners, torch.tensor([[0, 1, 2]]), torch.tensor([[0.0] * 3, [1] * 3, [0] * 3])
    )
    drawn = draw([face], straight(5, 1), backend=backend)
    assert float(drawn.depths[0, 0, 2]) == 1.5
    assert drawn.colors[0, 0, 2].tolist() == pytest.approx([0.25] * 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_thin_line_has_no_gaps(backend: Backend) -> None:
    start, end = torch.tensor([[0.7, 1.2, 1.0]]), torch.tensor([[29.1, 14.3, 1.0]])
    line = Lines(start, end, torch.ones(1, 3), 0.2)
    drawn = draw([line], straight(30, 16), backend=backend).ids[0] >= 0
    assert bool(drawn.any(0)[1:29].all())
    assert int(drawn.sum()) < 60


@pytest.mark.parametrize("backend", BACKENDS)
def test_biased_edges_show_on_their_surface(backend: Backend) -> None:
    corners = torch.tensor([[0.0, 0, 1], [20, 0, 1], [20, 20, 1], [0, 20, 1]])
    face = Triangles(corners, torch.tensor([[0, 1, 2], [0, 2, 3]]), torch.zeros(4, 3))
    edge = Lines(corners[:1], corners[2:3], torch.ones(1, 3), 1.0)
    plain = draw([face, edge], straight(20, 20), backend=backend)
    assert not plain.colors.any()
    biased = draw([face, replace(edge, bias=0.01)], straight(20, 20), backend=backend)
    assert bool((biased.colors[0].diagonal() == 1).all())
    assert float(biased.depths[0, 5, 5]) == pytest.approx(0.99)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_light_at_the_camera_shades_by_the_normal(backend: Backend) -> None:
    """Faces that look at the camera, and one of 60 degrees; both sides alike."""
    flat = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [0, 2, 0]])
    angle = torch.tensor(60.0).deg2rad()
    turned = torch.stack([flat[:, 0] * angle.cos(), flat[:, 1], flat[:, 0] * angle.sin()], 1)
    views = Views(torch.eye(4)[None], torch.diag(torch.tensor([200.0, 200, 1]))[None], 1, 1)
    for corners, expected in ((flat, 1.0), (turned, 0.3 + 0.7 * 0.5)):
        for faces in ([[0, 1, 2]], [[0, 2, 1]]):
            surface = Triangles(
                corners + torch.tensor([0.0, 0, 50]),
                torch.tensor(faces),
                torch.tensor([[1.0, 0.5, 0]]),
                "face",
                shaded=True,
            )
            color = draw([surface], views, backend=backend).colors[0, 0, 0]
            assert color.tolist() == pytest.approx([expected, expected / 2, 0], abs=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_drawing_into_a_drawing_is_drawing_both(backend: Backend) -> None:
    scene, views = things()["all"], posed()
    whole = draw(scene, views, backend=backend, background=(1.0, 1.0, 1.0))
    before = draw(scene[:3], views, backend=backend, background=(1.0, 1.0, 1.0))
    kept = [tensor.clone() for tensor in (before.colors, before.depths)]
    after = draw(scene[3:], views, background=before.colors, depth=before.depths, backend=backend)
    assert torch.equal(after.colors, whole.colors)
    assert torch.equal(after.depths, whole.depths)
    assert torch.equal(kept[0], before.colors)
    assert torch.equal(kept[1], before.depths)
    assert int(after.ids.max()) < len(scene[3]) + len(scene[4])


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_samples_are_the_mean_of_a_picture_of_twice_the_size(backend: Backend) -> None:
    scene, views = things()["triangles"], posed(19, 13)
    matrices = views.matrices.clone()
    matrices[:, :2] *= 2
    fine = draw(scene, Views(views.world_from_camera, matrices, 38, 26), backend=backend)
    smooth = draw(scene, views, samples=2, backend=backend)
    mean = fine.colors.reshape(1, 13, 2, 19, 2, 3).mean((2, 4))
    torch.testing.assert_close(smooth.colors, mean, atol=1e-6, rtol=0)
    nearest = fine.depths.reshape(1, 13, 2, 19, 2).amin((2, 4))
    assert torch.equal(smooth.depths, nearest)
    assert torch.equal(smooth.ids >= 0, torch.isfinite(nearest))


@pytest.mark.parametrize("backend", BACKENDS)
def test_samples_leave_sizes_in_pixels_as_they_are(backend: Backend) -> None:
    dot = Points(torch.tensor([[10.5, 10.5, 1.0]]), torch.ones(1, 3), 4.2)
    line = Lines(
        torch.tensor([[-9.0, 30.5, 1]]), torch.tensor([[99.0, 30.5, 1]]), torch.ones(1, 3), 3.0
    )
    for samples in (1, 2):
        drawn = draw([dot, line], straight(21, 40), samples=samples, backend=backend)
        assert float(drawn.colors[0, :20, :, 0].sum()) == pytest.approx(3.14159 * 4.2**2, rel=0.06)
        assert float(drawn.colors[0, 20:, 5, 0].sum()) == 3.0


def test_strided_tensors_and_gradients_are_no_obstacle() -> None:
    rng, views = Numbers(), posed()
    cloud, colors = rng.normal(3, 40).T, rng.colors(80)[::2]
    plain = draw([Points(cloud.contiguous(), colors.contiguous())], views)
    leaf = torch.nn.Parameter(cloud)
    drawn = draw([Points(leaf, colors)], views)
    assert torch.equal(drawn.ids, plain.ids)
    assert not drawn.colors.requires_grad
