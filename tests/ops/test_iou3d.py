"""Overlap of boxes against polygon clipping, closed forms and counted points."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from sparse3d.ops.backend import Backend
from sparse3d.ops.iou3d import box_iou

BACKENDS = ["reference", "torch"]
KINDS = ["bev", "3d"]
INFINITY = float("inf")


def box(x=0.0, y=0.0, z=0.0, length=4.0, width=2.0, height=1.5, yaw=0.0) -> Tensor:
    return torch.tensor([[x, y, z, length, width, height, yaw]], dtype=torch.float64)


def random_boxes(count: int, seed: int, spread: float = 4.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    boxes = torch.rand(count, 7, generator=generator, dtype=torch.float64)
    low = torch.tensor([-spread, -spread, -1.0, 0.3, 0.2, 0.5, -7.0], dtype=torch.float64)
    high = torch.tensor([spread, spread, 1.0, 6.0, 3.0, 3.0, 7.0], dtype=torch.float64)
    return low + boxes * (high - low)


def awkward_boxes() -> Tensor:
    """Touching, contained, identical, crossing; angles at and beside the right ones; slivers."""
    turns = [0.0, 1e-7, -1e-4, math.pi / 4, math.pi / 2 - 1e-6, math.pi / 2, math.pi, -math.pi / 2]
    rows = [box(yaw=turn) for turn in turns]
    rows += [box(x=4.0, yaw=turn) for turn in turns[:4]]
    rows += [box(x=x, y=2.0) for x in (0.0, 4.0, 3.999)]
    rows += [box(z=z) for z in (1.5, 1.4999, -0.7)]
    rows += [box(length=0.5, width=0.3, yaw=0.4), box(length=30.0, width=0.01, yaw=1.0)]
    rows += [box(length=1e-3, width=1e-3), box(x=2.0, y=1.0, length=0.1, width=0.1, yaw=0.7)]
    return torch.cat(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_equals_polygon_clipping(kind, dtype: torch.dtype) -> None:
    first, second = random_boxes(60, 0).to(dtype), random_boxes(45, 1).to(dtype)
    wanted = box_iou(first.double(), second.double(), kind=kind, backend="reference")
    got = box_iou(first, second, kind=kind)
    assert (wanted > 0.1).sum() > 100
    assert got.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    assert (got.double() - wanted).abs().max() < tolerance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shift", [0.0, 70.0, -2000.0])
def test_awkward_pairs_in_float32_also_far_away(kind, shift: float) -> None:
    boxes = awkward_boxes()
    boxes[:, :2] += shift
    boxes = boxes.float()  # the reference works on what float32 has kept
    wanted = box_iou(boxes.double(), boxes.double(), kind=kind, backend="reference")
    assert (box_iou(boxes, boxes, kind=kind).double() - wanted).abs().max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_equals_shapely_or_is_skipped(kind) -> None:
    affinity = pytest.importorskip("shapely.affinity")
    geometry = pytest.importorskip("shapely.geometry")

    def polygon(row: list[float]):
        x, y, _, length, width, _, yaw = row
        flat = geometry.box(-length / 2, -width / 2, length / 2, width / 2)
        turned = affinity.rotate(flat, yaw, origin=(0, 0), use_radians=True)
        return affinity.translate(turned, x, y)

    boxes = torch.cat([random_boxes(30, 2), awkward_boxes()])
    got = box_iou(boxes, boxes, kind=kind)
    rows = boxes.tolist()
    for (i, a), (j, b) in itertools.product(enumerate(rows), enumerate(rows)):
        shared = polygon(a).intersection(polygon(b)).area
        sizes = [a[3] * a[4], b[3] * b[4]]
        if kind == "3d":
            top = min(a[2] + a[5] / 2, b[2] + b[5] / 2)
            shared *= max(0.0, top - max(a[2] - a[5] / 2, b[2] - b[5] / 2))
            sizes = [sizes[0] * a[5], sizes[1] * b[5]]
        assert abs(got[i, j].item() - shared / (sum(sizes) - shared)) < 1e-9


@pytest.mark.parametrize("backend", BACKENDS)
def test_counted_points_agree(backend: Backend) -> None:
    a, b = box(yaw=0.5), box(x=0.8, y=-0.4, z=0.3, length=3.0, width=2.5, yaw=-0.9)
    points = torch.rand(400_000, 3, generator=torch.Generator().manual_seed(3)).double() * 6 - 3

    def inside(row: Tensor) -> Tensor:
        offset = points - row[:3]
        c, s = torch.cos(row[6]), torch.sin(row[6])
        u, v = c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0]
        local = torch.stack([u, v, offset[:, 2]], 1)
        return (local.abs() < row[3:6] / 2).all(1)

    one, other = inside(a[0]), inside(b[0])
    counted = (one & other).sum() / (one | other).sum()
    assert abs(box_iou(a, b, backend=backend).item() - counted.item()) < 0.01


@pytest.mark.parametrize("backend", BACKENDS)
def test_closed_forms(backend: Backend) -> None:
    def bev(a: Tensor, b: Tensor) -> float:
        return box_iou(a, b, kind="bev", backend=backend).item()

    square = box(length=2.0, width=2.0)
    octagon = 8 * (math.sqrt(2) - 1)  # a square and itself, turned by 45 degrees
    assert bev(square, box(length=2.0, width=2.0, yaw=math.pi / 4)) == pytest.approx(
        octagon / (8 - octagon)
    )
    assert bev(box(), box(yaw=math.pi / 2)) == pytest.approx(4 / 12)  # a cross
    assert bev(box(), box(yaw=math.pi)) == pytest.approx(1)
    assert bev(box(), box(length=2.0, width=1.0)) == pytest.approx(0.25)  # one in the other
    for angle in (0.3, 1.2):  # two long strips share a rhombus
        long = box(length=100.0), box(length=100.0, yaw=angle)
        assert bev(*long) == pytest.approx((4 / math.sin(angle)) / (400 - 4 / math.sin(angle)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_apart_and_touching_is_exactly_zero_and_identical_is_one(kind, backend: Backend) -> None:
    def iou(a: Tensor, b: Tensor) -> float:
        return box_iou(a.float(), b.float(), kind=kind, backend=backend).item()

    for apart in (box(x=4.0), box(y=-2.0), box(x=4.0, y=2.0), box(x=3.4, y=2.8, yaw=0.8)):
        assert iou(box(), apart) == 0
    for same in random_boxes(20, 4, spread=70.0):
        assert iou(same[None], same[None]) == pytest.approx(1, abs=1e-6)
    assert box_iou(box(), box(z=1.5), kind="3d", backend=backend).item() == 0
    assert box_iou(box(), box(z=9.0), kind="bev", backend=backend).item() == pytest.approx(1)


def test_order_common_motion_and_half_turns_do_not_matter() -> None:
    first, second = random_boxes(40, 5), random_boxes(40, 6)
    wanted = box_iou(first, second)
    assert torch.allclose(box_iou(second, first).T, wanted, atol=1e-12)
    half_turn = torch.tensor([0, 0, 0, 0, 0, 0, math.pi], dtype=torch.float64)
    assert torch.allclose(box_iou(first + half_turn, second), wanted, atol=1e-12)

    def moved(boxes: Tensor) -> Tensor:
        c, s = math.cos(0.7), math.sin(0.7)
        rotation = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
        rest = boxes[:, 2:] + torch.tensor([0.3, 0, 0, 0, 0.7], dtype=torch.float64)
        return torch.cat([boxes[:, :2] @ rotation.T + 3.0, rest], 1)

    assert torch.allclose(box_iou(moved(first), moved(second)), wanted, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_aligned_is_the_diagonal(kind, backend: Backend) -> None:
    first, second = random_boxes(30, 7, spread=1.5), random_boxes(30, 8, spread=1.5)
    got = box_iou(first, second, kind=kind, aligned=True, backend=backend)
    assert torch.equal(got, box_iou(first, second, kind=kind, backend=backend).diagonal())
    assert (got > 0).sum() > 15


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_and_gradients_are_no_obstacle(backend: Backend) -> None:
    none, one = torch.zeros(0, 7), box().float()
    assert box_iou(none, one, backend=backend).shape == (0, 1)
    assert box_iou(one, none, backend=backend).shape == (1, 0)
    assert box_iou(none, none, aligned=True, backend=backend).shape == (0,)
    assert not box_iou(one.clone().requires_grad_(), one, backend=backend).requires_grad


def test_more_pairs_than_a_chunk_holds() -> None:
    boxes = random_boxes(700, 9)
    got = box_iou(boxes, boxes, kind="bev")  # about half of 490000 pairs are near
    picked = torch.tensor([0, 350, 699])
    assert torch.equal(got[picked], box_iou(boxes[picked], boxes, kind="bev"))


@pytest.mark.parametrize(
    ("column", "value"), [(0, float("nan")), (6, INFINITY), (3, 0.0), (4, -2.0), (5, -1e-9)]
)
def test_what_is_no_box_is_named(column: int, value: float) -> None:
    good = random_boxes(3, 10)
    broken = good.clone()
    broken[1, column] = value
    with pytest.raises(ValueError, match=r"^first must hold finite boxes of positive size.*row 1$"):
        box_iou(broken, good)
    with pytest.raises(ValueError, match=r"^second must hold finite boxes .* in row 1$"):
        box_iou(good, broken)


def test_mistakes_are_named() -> None:
    boxes = random_boxes(3, 11)
    with pytest.raises(ValueError, match=r"backends auto, reference, torch, got 'native'"):
        box_iou(boxes, boxes, backend="native")
    with pytest.raises(ValueError, match=r"share dtype and device, got torch.float64"):
        box_iou(boxes, boxes.float())
    with pytest.raises(ValueError, match=r"must be as many, got 3 and 2"):
        box_iou(boxes, boxes[:2], aligned=True)
    with pytest.raises(ValueError, match=r"first must be float32 or float64, got torch.float16"):
        box_iou(boxes.half(), boxes.half())
