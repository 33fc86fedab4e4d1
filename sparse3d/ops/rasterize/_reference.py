"""Brute force: every pixel looks at every Gaussian, front to back."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["rasterize"]

Parameters = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Means, quaternions, log scales, logit opacities and SH coefficients."""


def rasterize(
    parameters: Parameters,
    world_from_camera: Float[Tensor, "c 4 4"],
    matrices: Float[Tensor, "c 3 3"],
    size: tuple[int, int],
    background: Float[Tensor, "c 3"],
    near: float,
    mean_gradients: Float[Tensor, "c n 2"] | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Colours, alphas, depths and radii of all cameras; ``size`` is width and height."""
    n, cameras, (width, height) = len(parameters[0]), len(matrices), size
    offsets = parameters[0].new_zeros(cameras, n, 2) if mean_gradients is None else mean_gradients
    views = zip(world_from_camera, matrices, background, offsets, strict=True)
    rendered = [_render(parameters, size, near, *view) for view in views]
    color = background.new_zeros(0, height, width, 3)
    empty = (color, color[..., 0], color[..., 0], torch.zeros(0, n, dtype=torch.int32))
    color, alpha, depth, radii = (
        (torch.stack(o) for o in zip(*rendered, strict=True)) if rendered else empty
    )
    return color, alpha, depth, radii


def _render(
    parameters: Parameters,
    size: tuple[int, int],
    near: float,
    world_from_camera: Float[Tensor, "4 4"],
    matrix: Float[Tensor, "3 3"],
    background: Float[Tensor, " 3"],
    offsets: Float[Tensor, "n 2"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    means, quaternions, log_scales, logits, sh = parameters
    rotation, centre = world_from_camera[:3, :3], world_from_camera[:3, 3]
    points = (means - centre) @ rotation  # camera frame
    radii = torch.zeros(len(means), dtype=torch.int32)
    x, y = torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(means)  # h w 2
    transmittance = torch.ones_like(pixels[..., 0])
    alive = torch.ones_like(transmittance, dtype=torch.bool)
    color = transmittance.new_zeros(size[1], size[0], 3)
    alpha = depth = torch.zeros_like(transmittance)
    for i in points[:, 2].argsort(stable=True).tolist():
        z = points[i, 2]
        opacity = torch.sigmoid(logits[i])
        if z <= near or opacity * 255 <= 1:
            continue
        covariance = _covariance(quaternions[i], log_scales[i])
        blurred = _projected(covariance, points[i], rotation, matrix, size)
        mean = (matrix @ points[i])[:2] / z + offsets[i]
        radii[i] = _radius(mean.detach(), blurred.detach(), opacity.detach(), size)
        difference = pixels - mean
        conic = torch.linalg.inv(blurred)
        power = torch.einsum("hwi,ij,hwj->hw", difference, conic, difference) / 2
        a = (opacity * torch.exp(-power)).clamp_max(0.999)
        hit = (a >= 1 / 255) & alive
        after = transmittance * (1 - a)
        alive = alive & ~(hit & (after <= 1e-4))
        weight = torch.where(hit & alive, a * transmittance, 0)
        direction = means[i] - centre
        color = color + weight[..., None] * _color(sh[i], direction / direction.norm())
        alpha, depth = alpha + weight, depth + weight * z
        transmittance = torch.where(hit & alive, after, transmittance)
    color = color + transmittance[..., None] * background
    depth = torch.where(alpha > 0, depth / torch.where(alpha > 0, alpha, 1), 0)
    return color, alpha, depth, radii


def _covariance(
    quaternion: Float[Tensor, " 4"], log_scale: Float[Tensor, " 3"]
) -> Float[Tensor, "3 3"]:
    w, x, y, z = quaternion / quaternion.norm()
    zero = torch.zeros_like(w)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    rotation = torch.eye(3, dtype=w.dtype) + 2 * (w * cross + cross @ cross)
    return rotation @ torch.diag(torch.exp(2 * log_scale)) @ rotation.T


def _projected(
    covariance: Float[Tensor, "3 3"],
    point: Float[Tensor, " 3"],
    rotation: Float[Tensor, "3 3"],
    matrix: Float[Tensor, "3 3"],
    size: tuple[int, int],
) -> Float[Tensor, "2 2"]:
    """Covariance in pixels; its Jacobian is taken no farther out than 15 % past the border."""
    rows = []
    for axis in (0, 1):
        focal, principal = matrix[axis, axis].item(), matrix[axis, 2].item()
        margin = 0.3 * 0.5 * size[axis] / focal
        low, high = -principal / focal - margin, (size[axis] - principal) / focal + margin
        slope = torch.clamp(point[axis] / point[2], low, high)
        row = [torch.zeros_like(slope), torch.zeros_like(slope), -focal * slope / point[2]]
        row[axis] = focal / point[2]
        rows.append(torch.stack(row))
    jacobian = torch.stack(rows) @ rotation.T  # pixels by world
    return jacobian @ covariance @ jacobian.T + 0.3 * torch.eye(2, dtype=point.dtype)


def _radius(
    mean: Float[Tensor, " 2"],
    covariance: Float[Tensor, "2 2"],
    opacity: Float[Tensor, ""],
    size: tuple[int, int],
) -> int:
    reach = (2 * torch.log(255 * opacity) * covariance.diagonal()).sqrt()
    limits = torch.tensor(size)
    if bool(((mean + reach <= 0) | (mean - reach >= limits)).any()):
        return 0
    half_trace = float(covariance.trace()) / 2
    spread = math.sqrt(max(0.01, half_trace**2 - float(torch.linalg.det(covariance))))
    return math.ceil(3 * math.sqrt(half_trace + spread))


def _color(sh: Float[Tensor, "k 3"], direction: Float[Tensor, " 3"]) -> Float[Tensor, " 3"]:
    """Real spherical harmonics from associated Legendre polynomials, with 3DGS's signs."""
    values = [_harmonic(degree, order, direction) for degree, order in _orders(len(sh))]
    return (torch.stack(values) @ sh + 0.5).clamp_min(0)


def _orders(count: int) -> list[tuple[int, int]]:
    return [(d, m) for d in range(math.isqrt(count)) for m in range(-d, d + 1)]


def _harmonic(degree: int, order: int, direction: Float[Tensor, " 3"]) -> Float[Tensor, ""]:
    x, y, z = direction
    m = abs(order)
    scale = (2 * degree + 1) / (4 * math.pi) * math.factorial(degree - m)
    scale = math.sqrt(scale / math.factorial(degree + m) * (1 if m == 0 else 2))
    sectoral = torch.complex(x, y) ** m if m else torch.complex(torch.ones_like(x), 0 * x)
    return (
        (-1) ** m
        * scale
        * _legendre(degree, m, z)
        * (sectoral.imag if order < 0 else sectoral.real)
    )


def _legendre(degree: int, m: int, z: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Associated Legendre function without its factor (1 - z^2)^(m / 2) and without (-1)^m."""
    lower = torch.ones_like(z) * math.prod(range(2 * m - 1, 0, -2))
    if degree == m:
        return lower
    value = z * (2 * m + 1) * lower
    for d in range(m + 2, degree + 1):
        value, lower = ((2 * d - 1) * z * value - (d + m - 1) * lower) / (d - m), value
    return value
