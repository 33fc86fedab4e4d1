"""Brute force: every pixel looks at every Gaussian, front to back."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor

from sparse3d.ops.rasterize._job import Channels, Drawn, Job, Rules  # declarations only

__all__ = ["rasterize"]


def rasterize(job: Job) -> Drawn:
    """Draw all views of the job."""
    count = len(job.matrices)
    pictures = [_render(job, i) for i in range(count)] or [_Picture.blank(job)]

    def stacked(images: Iterable[Tensor]) -> Tensor:
        return torch.stack(list(images))[:count]

    return Drawn(
        stacked(p.colors for p in pictures),
        stacked(p.alphas for p in pictures),
        stacked(p.depths for p in pictures),
        stacked(p.radii for p in pictures),
        tuple(stacked(p.channels[j] for p in pictures) for j in range(len(job.channels))),
        stacked(p.median_rows for p in pictures),
        stacked(p.dominant_rows for p in pictures),
        stacked(p.weights for p in pictures),
    )


@dataclass
class _Picture:
    """One view while Gaussians are added to it."""

    colors: Float[Tensor, "h w 3"]
    alphas: Float[Tensor, "h w"]
    depths: Float[Tensor, "h w"]
    radii: Int32[Tensor, " n"]
    channels: list[Tensor]
    median_rows: Int32[Tensor, "h w"]
    dominant_rows: Int32[Tensor, "h w"]
    weights: Float[Tensor, " n"]
    transmittance: Float[Tensor, "h w"]
    alive: Bool[Tensor, "h w"]
    best: Float[Tensor, "h w"]

    @staticmethod
    def blank(job: Job) -> "_Picture":
        (width, height), n = job.rules.size, len(job.parameters[0])
        zeros = job.background.new_zeros(height, width)
        alive = torch.ones(height, width, dtype=torch.bool)
        if job.rules.tiles is not None:
            tall = job.rules.tiles.repeat_interleave(16, 0).repeat_interleave(16, 1)
            alive = tall[:height, :width].clone()
        return _Picture(
            colors=zeros[..., None].expand(-1, -1, 3),
            alphas=zeros,
            depths=zeros,
            radii=torch.zeros(n, dtype=torch.int32),
            channels=[zeros[..., None].expand(-1, -1, c.count) for c in job.channels],
            median_rows=torch.full((height, width), -1, dtype=torch.int32),
            dominant_rows=torch.full((height, width), -1, dtype=torch.int32),
            weights=job.background.new_zeros(n),
            transmittance=zeros + 1,
            alive=alive,
            best=zeros,
        )

    def add(
        self, i: int, a: Float[Tensor, "h w"], color: Tensor, z: Tensor, values: list[Tensor]
    ) -> None:
        """Cover with Gaussian ``i``, ``a`` of each pixel."""
        hit = (a >= 1 / 255) & self.alive
        after = self.transmittance * (1 - a)
        self.alive = self.alive & ~(hit & (after <= 1e-4))
        hit = hit & self.alive
        weight = torch.where(hit, a * self.transmittance, 0)
        self.colors = self.colors + weight[..., None] * color
        self.alphas, self.depths = self.alphas + weight, self.depths + weight * z
        self.channels = [
            c + weight[..., None] * v for c, v in zip(self.channels, values, strict=True)
        ]
        self.median_rows[hit & (self.transmittance >= 0.5) & (after < 0.5)] = i
        self.dominant_rows[weight > self.best] = i
        self.best = torch.maximum(self.best, weight.detach())
        self.weights[i] = weight.detach().sum()
        self.transmittance = torch.where(hit, after, self.transmittance)


def _render(job: Job, view: int) -> _Picture:
    means, quaternions, log_scales, logits, sh = job.parameters
    rules, matrix = job.rules, job.matrices[view]
    rotation, centre = job.world_from_camera[view, :3, :3], job.world_from_camera[view, :3, 3]
    points = (means - centre) @ rotation  # camera frame
    x, y = torch.arange(rules.size[0]) + 0.5, torch.arange(rules.size[1]) + 0.5
    pixels = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).to(means)  # h w 2
    picture = _Picture.blank(job)
    for i in points[:, 2].argsort(stable=True).tolist():
        opacity = torch.sigmoid(logits[i])
        if points[i, 2] <= rules.near:
            continue
        seen = _shifted(pixels, job, view, i)
        axes = _rotation(quaternions[i]) @ torch.diag(torch.exp(log_scales[i]))
        if rules.surfels:
            power = _surfel_power(rotation.T @ axes, points[i], matrix, seen, rules)
            flat = axes * torch.tensor([1, 1, 0]).to(axes)
            blurred, share = _projected(flat, points[i], rotation, matrix, rules)
        else:
            blurred, share = _projected(axes, points[i], rotation, matrix, rules)
            difference = seen - _pixel(points[i], matrix, rules)
            conic = torch.linalg.inv(blurred)
            power = torch.einsum("hwi,ij,hwj->hw", difference, conic, difference) / 2
        opacity = opacity * share
        if opacity * 255 <= 1:
            continue
        a = (opacity * torch.exp(-power)).clamp_max(rules.max_alpha)
        mean = _pixel(points[i], matrix, rules).detach()
        touches = _touches(mean, blurred.detach(), opacity.detach(), rules)
        if bool((a >= 1 / 255).any()) if rules.surfels else touches:
            picture.radii[i] = _radius(blurred.detach())
        direction = means[i] - centre
        color = _color(sh[i], direction / direction.norm())
        values = [_values(channels, view, i) for channels in job.channels]
        picture.add(i, a, color, points[i, 2], values)
    picture.colors = picture.colors + picture.transmittance[..., None] * job.background[view]
    covered = picture.alphas > 0
    picture.depths = torch.where(
        covered, picture.depths / torch.where(covered, picture.alphas, 1), 0
    )
    return picture


def _shifted(pixels: Float[Tensor, "h w 2"], job: Job, view: int, i: int) -> Float[Tensor, "h w 2"]:
    """Pixel centres, moved against the Gaussian's shift, which is zero and takes gradients."""
    shift = pixels.new_zeros(2) if job.mean_gradients is None else job.mean_gradients[view, i]
    shifted = pixels - shift
    receiver = job.absolute_gradients
    if receiver is not None:
        shifted = pixels - shift - torch.zeros(2).to(pixels).requires_grad_()

        def receive(gradient: Tensor) -> None:
            grad = torch.zeros_like(receiver) if receiver.grad is None else receiver.grad
            grad[view, i] += gradient.abs().sum((0, 1))
            receiver.grad = grad

        shifted.register_hook(receive)
    return shifted


def _values(channels: Channels, view: int, i: int) -> Float[Tensor, " d"]:
    own = channels.values[view][i]
    if channels.indices is None:
        return own
    places = torch.nn.functional.one_hot(channels.indices[i].long(), channels.count)
    return own @ places.to(own)


def _pixel(
    point: Float[Tensor, " 3"], matrix: Float[Tensor, "3 3"], rules: Rules
) -> Float[Tensor, " 2"]:
    if rules.orthographic:
        return matrix[:2, :2] @ point[:2] + matrix[:2, 2]
    return (matrix @ point)[:2] / point[2]


def _surfel_power(
    axes: Float[Tensor, "3 3"],
    point: Float[Tensor, " 3"],
    matrix: Float[Tensor, "3 3"],
    pixels: Float[Tensor, "h w 2"],
    rules: Rules,
) -> Float[Tensor, "h w"]:
    """Exponent at the point where the ray of a pixel meets the disc, or of the low-pass filter.

    Huang et al. 2024, equations 7 to 11, by intersecting a ray and a plane in the camera frame.
    """
    slopes = (pixels - matrix[:2, 2]) / matrix.diagonal()[:2]
    zero, one = torch.zeros_like(slopes), torch.ones_like(slopes[..., :1])
    start = torch.cat([slopes if rules.orthographic else zero, 0 * one], -1)
    ray = torch.cat([zero if rules.orthographic else slopes, one], -1)
    tu, tv = axes[:, 0], axes[:, 1]
    normal = torch.linalg.cross(tu, tv)
    facing = ray @ normal
    along = ((point - start) @ normal) / torch.where(facing == 0, 1, facing)  # depth of the hit
    offset = start + along[..., None] * ray - point
    # Dual axes: exact also where a change of the pose leaves them oblique, as derivatives do.
    across_u, across_v = torch.linalg.cross(tv, normal), torch.linalg.cross(normal, tu)
    u, v = (offset @ across_u) / tu.dot(across_u), (offset @ across_v) / tv.dot(across_v)
    squared = torch.where((facing != 0) & (along > rules.near), u * u + v * v, math.inf)
    difference = pixels - _pixel(point, matrix, rules)
    return torch.minimum(squared, 2 * (difference * difference).sum(-1)) / 2


def _rotation(quaternion: Float[Tensor, " 4"]) -> Float[Tensor, "3 3"]:
    w, x, y, z = quaternion / quaternion.norm()
    zero = torch.zeros_like(w)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
    return torch.eye(3, dtype=w.dtype) + 2 * (w * cross + cross @ cross)


def _projected(
    axes: Float[Tensor, "3 3"],
    point: Float[Tensor, " 3"],
    rotation: Float[Tensor, "3 3"],
    matrix: Float[Tensor, "3 3"],
    rules: Rules,
) -> tuple[Float[Tensor, "2 2"], Float[Tensor, ""]]:
    """Blurred covariance in pixels, and the share of the opacity that antialiasing keeps."""
    jacobian = _jacobian(point, matrix, rules) @ rotation.T @ axes  # pixels by sigmas
    covariance = jacobian @ jacobian.T
    blur = 0.5 if rules.surfels else rules.blur
    blurred = covariance + blur * torch.eye(2, dtype=point.dtype)
    if not rules.antialiased:
        return blurred, torch.ones_like(point[0])
    return blurred, _area(covariance) / _area(blurred)


def _area(covariance: Float[Tensor, "2 2"]) -> Float[Tensor, ""]:
    return torch.linalg.det(covariance).clamp_min(1e-300).sqrt()


def _jacobian(
    point: Float[Tensor, " 3"], matrix: Float[Tensor, "3 3"], rules: Rules
) -> Float[Tensor, "2 3"]:
    """Of pixels by camera axes; taken no farther out than 15 % past the border."""
    if rules.orthographic:
        return matrix[:2] * torch.tensor([1, 1, 0]).to(matrix)
    rows = []
    for axis in (0, 1):
        focal, principal = matrix[axis, axis].item(), matrix[axis, 2].item()
        extent = rules.size[axis]
        margin = 0.3 * 0.5 * extent / focal
        low, high = -principal / focal - margin, (extent - principal) / focal + margin
        slope = torch.clamp(point[axis] / point[2], low, high)
        row = [torch.zeros_like(slope), torch.zeros_like(slope), -focal * slope / point[2]]
        row[axis] = focal / point[2]
        rows.append(torch.stack(row))
    return torch.stack(rows)


def _touches(
    mean: Float[Tensor, " 2"],
    covariance: Float[Tensor, "2 2"],
    opacity: Float[Tensor, ""],
    rules: Rules,
) -> bool:
    """Whether the box around all that is drawn meets the image."""
    reach = (2 * torch.log(255 * opacity) * covariance.diagonal()).sqrt()
    limits = torch.tensor(rules.size)
    return not bool(((mean + reach <= 0) | (mean - reach >= limits)).any())


def _radius(covariance: Float[Tensor, "2 2"]) -> int:
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
