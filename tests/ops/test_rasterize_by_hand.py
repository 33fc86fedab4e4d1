"""A picture that can be worked out on paper."""

import pytest
import torch

from sparse3d.geometry.views import Views
from sparse3d.ops.rasterize import rasterize
from sparse3d.scene.gaussians import Gaussians


def test_one_gaussian_by_hand() -> None:
    """A round Gaussian on the optical axis: covariance (f s / z)^2 + 0.3 in pixels."""
    scene = Gaussians(
        torch.tensor([[0.0, 0.0, 2.0]]),
        torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        torch.full((1, 3), 0.1).log(),
        torch.tensor([0.0]),
        torch.tensor([[[1.0, 0.0, -9.0]]]),
    )
    matrix = torch.tensor([[[20.0, 0.0, 4.5], [0.0, 20.0, 3.5], [0.0, 0.0, 1.0]]])
    camera = Views(torch.eye(4)[None], matrix, 9, 7)
    render = rasterize(scene, camera, background=torch.tensor([0.0, 1.0, 0.0]))
    alpha = 0.5 * torch.exp(torch.tensor(-0.5 * 2**2 / 1.3))  # two pixels right of the centre
    assert render.alphas[0, 3, 4] == pytest.approx(0.5)
    assert render.alphas[0, 3, 6] == pytest.approx(float(alpha))
    assert render.alphas[0, 6, 8] == 0
    assert render.depths[0, 3, 6] == pytest.approx(2.0)
    expected = torch.tensor([alpha * (0.28209479 + 0.5), alpha * 0.5 + 1 - alpha, 0.0])
    torch.testing.assert_close(render.colors[0, 3, 6], expected)
    assert render.radii.tolist() == [
        [4]
    ]  # 3 sqrt(1.3 + 0.1): the rule keeps the two axes 0.1 apart
