"""Truth of the head: heatmaps, boxes beside centres, unknown cells."""

import math

import pytest
import torch
from torch import Tensor

from sparse3d.detect.targets import CellGrid, frame_targets, heat_radius

GRID = CellGrid((0.0, -4.0), (0.4, 0.5), (20, 16))
NONE = torch.zeros(0, 7)


def car(x: float, y: float, yaw: float = 0.3) -> list[float]:
    return [x, y, -1.0, 3.9, 1.6, 1.5, yaw]


def targets_of(rows: list[list[float]], labels: list[int], ignored: Tensor = NONE):
    boxes = torch.tensor(rows).reshape(-1, 7)
    return frame_targets(boxes, torch.tensor(labels, dtype=torch.int64), ignored, GRID, 2, 0.1, 2)


def test_the_heat_is_one_at_the_cell_of_the_centre_only() -> None:
    found = targets_of([car(3.1, 0.2), car(6.0, -2.0)], [1, 0])
    assert (found.heat == 1).nonzero().tolist() == [[0, 15, 4], [1, 7, 8]]
    assert bool((found.heat <= 1).all())


def test_the_heat_falls_with_the_distance_and_ends_at_the_radius() -> None:
    heat = targets_of([car(4.0, 0.1)], [0]).heat[0]
    radius = int(heat_radius(torch.tensor([[3.9 / 0.4, 1.6 / 0.5]]), 0.1).item())
    variance = ((2 * radius + 1) / 6) ** 2
    for u in range(20):
        for v in range(16):
            du, dv = u - 10, v - 8
            inside = max(abs(du), abs(dv)) <= radius
            wanted = math.exp(-(du**2 + dv**2) / (2 * variance)) if inside else 0.0
            assert heat[u, v].item() == pytest.approx(wanted, abs=1e-6)


def test_overlapping_heat_takes_the_larger_value() -> None:
    both = targets_of([car(3.0, 0.0), car(3.0, 1.6)], [0, 0]).heat
    alone = [targets_of([row], [0]).heat for row in (car(3.0, 0.0), car(3.0, 1.6))]
    assert torch.equal(both, torch.maximum(*alone))


def test_boxes_are_told_at_the_centre_and_beside_it() -> None:
    found = targets_of([car(3.1, 0.2, yaw=2.5)], [0])
    assert len(found.cells) == 9
    assert (found.weights == 1).sum() == 1
    for cell, told in zip(found.cells.tolist(), found.boxes, strict=True):
        x = (cell[0] + 0.5 + told[0].item()) * 0.4
        y = (cell[1] + 0.5 + told[1].item()) * 0.5 - 4.0
        sizes = told[3:6].exp().tolist()
        yaw = math.atan2(told[7].item(), told[6].item()) / 2 + math.pi
        assert [x, y, told[2].item(), *sizes, yaw] == pytest.approx(car(3.1, 0.2, 2.5), abs=1e-5)
    assert not bool(found.forward.any())  # 2.5 is 98 degrees from 45


def test_a_cell_between_two_objects_belongs_to_the_nearer() -> None:
    found = targets_of([car(3.0, 0.0), car(3.8, 0.0)], [0, 0])  # cells 7 and 9
    assert len({tuple(cell) for cell in found.cells.tolist()}) == len(found.cells) == 15
    exact = {
        cell[0]: told[0].item()
        for cell, told in zip(found.cells.tolist(), found.boxes, strict=True)
    }
    assert exact[7] == pytest.approx(0.0, abs=1e-5)
    assert exact[9] == pytest.approx(0.0, abs=1e-5)


def test_cells_under_ignored_boxes_are_not_known_but_those_with_heat_are() -> None:
    ignored = torch.tensor([car(3.0, 0.0, math.pi / 2), car(6.0, -2.0, 0.0)])
    found = targets_of([car(6.0, -2.0)], [0], ignored)
    centers = GRID.centers()
    x, y = centers.unbind(-1)
    under = ((x - 3).abs() <= 0.8) & (y.abs() <= 1.95)
    under |= ((x - 6).abs() <= 1.95) & ((y + 2).abs() <= 0.8)
    assert torch.equal(~found.known, under & ~(found.heat > 0).any(0))
    assert bool((~found.known).any())


def test_no_objects_and_objects_outside_the_grid_give_nothing() -> None:
    for rows in ([], [car(-1.0, 0.0), car(3.0, 4.0)]):
        found = targets_of(rows, [0] * len(rows))
        assert not bool(found.heat.any())
        assert bool(found.known.all())
        assert found.cells.shape == (0, 2)
        assert found.boxes.shape == (0, 8)


def test_an_object_in_the_corner_keeps_to_the_grid() -> None:
    found = targets_of([car(0.01, -3.99)], [0])
    assert found.cells.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("size", [(10.0, 4.0), (3.0, 3.0), (40.0, 1.5)])
def test_the_radius_is_that_of_the_published_detectors(size: tuple[float, float]) -> None:
    a, b, o = *size, 0.1
    first = ((a + b) + math.sqrt((a + b) ** 2 - 4 * a * b * (1 - o) / (1 + o))) / 2
    second = (2 * (a + b) + math.sqrt(4 * (a + b) ** 2 - 16 * a * b * (1 - o))) / 2
    third = (-2 * o * (a + b) + math.sqrt(4 * o * o * (a + b) ** 2 - 16 * o * (o - 1) * a * b)) / 2
    got = heat_radius(torch.tensor([size], dtype=torch.float64), o).item()
    assert got == pytest.approx(min(first, second, third))
