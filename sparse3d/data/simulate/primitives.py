"""Closed triangle meshes of simple shapes, centred at the origin, outward normals."""

import math

import torch

from sparse3d.scene import Mesh

__all__ = ["box_mesh", "cylinder_mesh", "moved", "sphere_mesh"]

_BOX_FACES = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))


def box_mesh(length: float, width: float, height: float) -> Mesh:
    """A box with edges along x, y and z, metres."""
    corners = [(x, y, z) for z in (-0.5, 0.5) for y in (-0.5, 0.5) for x in (-0.5, 0.5)]
    vertices = torch.tensor(corners) * torch.tensor([length, width, height])
    triangles = [t for a, b, c, d in _BOX_FACES for t in ((a, b, c), (a, c, d))]
    return Mesh(vertices, torch.tensor(triangles))


def cylinder_mesh(radius: float, height: float, sides: int = 32) -> Mesh:
    """A cylinder about the z axis, metres."""
    angle = torch.arange(sides) * (2 * math.pi / sides)
    ring = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    levels = [torch.nn.functional.pad(ring, (0, 1), value=z * height) for z in (-0.5, 0.5)]
    centres = torch.tensor([[0.0, 0.0, -0.5 * height], [0.0, 0.0, 0.5 * height]])
    low = torch.arange(sides)
    after = (low + 1) % sides
    bottom, top = torch.full_like(low, 2 * sides), torch.full_like(low, 2 * sides + 1)
    triangles = [
        torch.stack([low, after, after + sides], 1),
        torch.stack([low, after + sides, low + sides], 1),
        torch.stack([bottom, after, low], 1),
        torch.stack([top, low + sides, after + sides], 1),
    ]
    return Mesh(torch.cat([*levels, centres]), torch.cat(triangles))


def sphere_mesh(radius: float, rings: int = 24) -> Mesh:
    """A sphere of ``rings`` circles of latitude and twice as many meridians, metres."""
    sides = 2 * rings
    polar = torch.arange(1, rings) * (math.pi / rings)
    around = torch.arange(sides) * (2 * math.pi / sides)
    z = polar.cos()[:, None].expand(-1, sides)
    x, y = (polar.sin()[:, None] * f(around) for f in (torch.cos, torch.sin))
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    vertices = radius * torch.cat([torch.stack([x, y, z], -1).reshape(-1, 3), poles])
    grid = torch.arange((rings - 1) * sides).reshape(rings - 1, sides)
    after = grid.roll(-1, dims=1)
    north, south = len(vertices) - 2, len(vertices) - 1
    upper, lower = grid[:-1].flatten(), grid[1:].flatten()
    upper_next, lower_next = after[:-1].flatten(), after[1:].flatten()
    triangles = [
        torch.stack([upper, lower, lower_next], 1),
        torch.stack([upper, lower_next, upper_next], 1),
        torch.stack([torch.full_like(grid[0], north), grid[0], after[0]], 1),
        torch.stack([torch.full_like(grid[0], south), after[-1], grid[-1]], 1),
    ]
    return Mesh(vertices, torch.cat(triangles))


def moved(mesh: Mesh, x: float, y: float, z: float, yaw: float = 0.0) -> Mesh:
    """The mesh turned by ``yaw`` radians about +z, then shifted, metres."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return Mesh(mesh.vertices @ turn.T + torch.tensor([x, y, z]), mesh.triangles)
