"""Camera intrinsics: pinhole, OpenCV and fisheye lenses, projection and its inverse."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Intrinsics", "Lens"]

Lens = Literal["pinhole", "opencv", "fisheye"]

_PARAMETERS = {"pinhole": 0, "opencv": 8, "fisheye": 4}


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """How a camera maps directions to pixels; the centre of the first pixel is (0.5, 0.5)."""

    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    fx: float
    """Focal length along x, pixels."""
    fy: float
    """Focal length along y, pixels."""
    cx: float
    """Principal point x, pixels."""
    cy: float
    """Principal point y, pixels."""
    lens: Lens = "pinhole"
    """``opencv``: radial-tangential (rational) model; ``fisheye``: Kannala-Brandt, equidistant."""
    distortion: tuple[float, ...] = ()
    """``opencv``: k1 k2 p1 p2 k3 k4 k5 k6; ``fisheye``: k1 k2 k3 k4. Short tuples end in zeros."""

    def __post_init__(self) -> None:
        wanted = _PARAMETERS[self.lens]
        if len(self.distortion) > wanted:
            raise ValueError(
                f"{self.lens} takes at most {wanted} distortion values, got {self.distortion}"
            )
        padded = (*self.distortion, *(0.0,) * (wanted - len(self.distortion)))
        object.__setattr__(self, "distortion", tuple(float(value) for value in padded))
        numbers = torch.tensor([self.fx, self.fy, self.cx, self.cy, *padded], dtype=torch.float64)
        if min(self.width, self.height) < 1 or min(self.fx, self.fy) <= 0:
            raise ValueError(f"image size and focal lengths must be positive, got {self}")
        if not bool(torch.isfinite(numbers).all()):
            raise ValueError(f"intrinsics must be finite, got {self}")

    @property
    def is_pinhole(self) -> bool:
        """Whether the lens has no distortion (a fisheye always has)."""
        return self.lens != "fisheye" and not any(self.distortion)

    def matrix(self) -> Float[Tensor, "3 3"]:
        """The calibration matrix K, float64."""
        rows = [[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]]
        return torch.tensor(rows, dtype=torch.float64)

    def resized(self, width: int, height: int) -> "Intrinsics":
        """Intrinsics of the same image resampled to another size (distortion does not scale)."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=self.cx * sx,
            cy=self.cy * sy,
        )

    def cropped(self, left: int, top: int, width: int, height: int) -> "Intrinsics":
        """Intrinsics of a rectangle of the image, its corner at pixel ``(left, top)``."""
        return replace(self, width=width, height=height, cx=self.cx - left, cy=self.cy - top)

    def project(
        self, points: Float[Tensor, "*batch 3"]
    ) -> tuple[Float[Tensor, "*batch 2"], Bool[Tensor, "*batch"]]:
        """Pixel positions of points in the camera frame, and which of them are in front.

        Points at or behind the camera plane (z <= 0) get non-meaningful pixels; a point in front
        may still fall outside the image. Differentiable.
        """
        front = points[..., 2] > 0
        z = torch.where(front, points[..., 2], torch.ones_like(points[..., 2]))
        distorted = self._distort(points[..., :2] / z[..., None])
        scale = points.new_tensor([self.fx, self.fy])
        return distorted * scale + points.new_tensor([self.cx, self.cy]), front

    def unproject(self, pixels: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3"]:
        """Directions with z = 1 in the camera frame that project to the given pixels.

        Distortion is inverted by Newton's method with an analytic start; pixels that no direction
        below 90 degrees reaches give the nearest iterate, which does not project back.
        """
        centre = pixels.new_tensor([self.cx, self.cy])
        wanted = (pixels - centre) / pixels.new_tensor([self.fx, self.fy])
        xy = wanted if self.is_pinhole else self._undistort(wanted)
        return torch.cat([xy, torch.ones_like(xy[..., :1])], dim=-1)

    def pixel_grid(self) -> Float[Tensor, "h w 2"]:
        """Centres of all pixels, float64."""
        x = torch.arange(self.width, dtype=torch.float64) + 0.5
        y = torch.arange(self.height, dtype=torch.float64) + 0.5
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)

    def _distort(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        if self.lens == "pinhole":
            return xy
        return self._distort_fisheye(xy) if self.lens == "fisheye" else self._distort_opencv(xy)

    def _distort_opencv(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        k1, k2, p1, p2, k3, k4, k5, k6 = self.distortion
        x, y = xy.unbind(-1)
        r2 = x * x + y * y
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        return torch.stack([u, v], dim=-1)

    def _distort_fisheye(self, xy: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        k1, k2, k3, k4 = self.distortion
        r = torch.linalg.vector_norm(xy, dim=-1, keepdim=True)
        theta = torch.atan(r)
        t2 = theta * theta
        bent = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))
        return xy * torch.where(r > 1e-12, bent / r.clamp_min(1e-12), torch.ones_like(r))

    def _undistort(self, wanted: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 2"]:
        flat = wanted.detach().reshape(-1, 2).double()
        xy = _fisheye_start(flat) if self.lens == "fisheye" else flat
        for _ in range(30):
            residual, jacobian = self._residual_and_jacobian(xy, flat)
            step = torch.linalg.solve(jacobian, residual[..., None])[..., 0]
            xy = xy - step.clamp(-0.5, 0.5)  # keeps a far start inside the basin
            if bool((step.abs() < 1e-14).all()):
                break
        return xy.to(wanted.dtype).reshape(wanted.shape)

    def _residual_and_jacobian(
        self, xy: Float[Tensor, "n 2"], wanted: Float[Tensor, "n 2"]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2 2"]]:
        with torch.enable_grad():
            leaf = xy.detach().requires_grad_()
            distorted = self._distort(leaf)
            rows = [
                torch.autograd.grad(distorted[:, i].sum(), leaf, retain_graph=i == 0)[0]
                for i in range(2)
            ]
        return distorted.detach() - wanted, torch.stack(rows, dim=1)


def _fisheye_start(wanted: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    angle = torch.linalg.vector_norm(wanted, dim=-1, keepdim=True)
    radius = torch.tan(angle.clamp_max(1.5))
    return wanted * torch.where(angle > 1e-12, radius / angle.clamp_min(1e-12), 1.0)
