"""Compressed splats: a real one against its decoded twin, error bounds, damaged ones."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from sparse3d.errors import DataError
from sparse3d.scene import Gaussians
from sparse3d.scene.formats import compressed_ply, gaussian_ply


def splat(n: int, degree: int = 0, seed: int = 0) -> Gaussians:
    rng = torch.Generator().manual_seed(seed)
    return Gaussians(
        torch.randn(n, 3, generator=rng) * torch.tensor([1.0, 10.0, 100.0]) + 5,
        torch.randn(n, 4, generator=rng),
        torch.randn(n, 3, generator=rng) - 3,
        torch.randn(n, generator=rng) * 2,
        torch.randn(n, (degree + 1) ** 2, 3, generator=rng),
    )


def step_of(values: Tensor, steps: tuple[float, float, float]) -> Tensor:
    """Half a step of each row's chunk, and what float32 rounds."""
    out = torch.empty_like(values)
    for start in range(0, len(values), 256):
        chunk = values[start : start + 256]
        out[start : start + 256] = (chunk.amax(0) - chunk.amin(0)) / torch.tensor(steps)
    return out * 0.501 + values.abs() * 3e-7 + 1e-6


def test_real_splat_decodes_to_its_twin(shared_data: Path) -> None:
    folder = shared_data / "splats"
    assert compressed_ply.FORMAT.read
    scene = compressed_ply.FORMAT.read(folder / "guitar.compressed.ply")
    assert getattr(scene.gaussians, "count", None) == 90854
    decoded, twin = scene.read_gaussians(), gaussian_ply.read_gaussians(folder / "guitar.ply")
    assert decoded is not None
    for name in ("means", "quaternions", "log_scales", "logit_opacities", "sh"):
        torch.testing.assert_close(
            getattr(decoded, name), getattr(twin, name), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("n", [1, 2, 256, 257, 700])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_errors_stay_within_their_bounds(tmp_path: Path, n: int, degree: int) -> None:
    path, original = tmp_path / "s.ply", splat(n, degree)
    compressed_ply.write_gaussians(path, original)
    read = compressed_ply.read_gaussians(path)
    wanted = original.select(compressed_ply.writing_order(original.means))
    vector = (2047.0, 1023.0, 2047.0)
    assert bool(((read.means - wanted.means).abs() <= step_of(wanted.means, vector)).all())
    scales = wanted.log_scales
    assert bool(((read.log_scales - scales).abs() <= step_of(scales, vector)).all())
    colors = wanted.sh[:, 0]
    assert bool(((read.sh[:, 0] - colors).abs() <= step_of(colors, (255.0, 255.0, 255.0))).all())
    opacity = (read.logit_opacities.sigmoid() - wanted.logit_opacities.sigmoid()).abs()
    assert float(opacity.max()) <= 0.5 / 255 + 1e-6
    rotations = torch.nn.functional.normalize(wanted.quaternions)
    cosines = (rotations * read.quaternions).sum(1).abs().clamp(max=1)
    assert float(2 * torch.acos(cosines).rad2deg().max()) < 0.2
    higher = (read.sh[:, 1:] - wanted.sh[:, 1:].clamp(-4, 4)).abs()
    assert higher.numel() == 0 or float(higher.max()) <= 1 / 32 + 1e-6


def test_order_is_a_permutation_that_keeps_neighbours_together() -> None:
    means = splat(5000).means
    order = compressed_ply.writing_order(means)
    assert torch.equal(order.sort().values, torch.arange(5000))
    steps = [torch.diff(m / means.std(0), dim=0).norm(dim=1).mean() for m in (means, means[order])]
    assert steps[1] < 0.3 * steps[0]


def test_writing_what_was_read_changes_nothing_more(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ply", tmp_path / "b.ply"
    compressed_ply.write_gaussians(first, splat(300, 1))
    once = compressed_ply.read_gaussians(first)
    compressed_ply.write_gaussians(second, once)
    twice = compressed_ply.read_gaussians(second)
    order = compressed_ply.writing_order(once.means)
    torch.testing.assert_close(twice.sh[:, 1:], once.sh[order][:, 1:], rtol=0, atol=1e-6)
    torch.testing.assert_close(twice.logit_opacities, once.logit_opacities[order])


def test_extremes_can_be_written(tmp_path: Path) -> None:
    one = splat(3)
    extreme = Gaussians(
        one.means,
        torch.zeros(3, 4),
        torch.full((3, 3), -100.0),
        torch.tensor([float("inf"), float("-inf"), 0.0]),
        one.sh,
    )
    compressed_ply.write_gaussians(tmp_path / "s.ply", extreme)
    read = compressed_ply.read_gaussians(tmp_path / "s.ply")
    assert read.quaternions.tolist() == [[1, 0, 0, 0]] * 3 or bool(
        (read.quaternions[:, 0] > 0.999).all()
    )
    assert bool((read.log_scales == -20).all())
    assert bool(read.logit_opacities.isfinite().all())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    one = splat(3)
    one.means[1, 1] = bad
    with pytest.raises(DataError, match="finite means"):
        compressed_ply.write_gaussians(tmp_path / "s.ply", one)
    with pytest.raises(DataError, match="empty"):
        compressed_ply.write_gaussians(tmp_path / "s.ply", splat(3).select(torch.zeros(3).bool()))
    assert list(tmp_path.iterdir()) == []


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path, cut = tmp_path / "s.ply", tmp_path / "cut.ply"
    compressed_ply.write_gaussians(path, splat(2, 1))
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut\.ply"):
            compressed_ply.read_gaussians(cut)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"chunk 2", b"chunk 1", "chunk for every 256"),
        (b"vertex 257", b"vertex 100000000000", "100000000000 vertex rows"),
        (b"uint packed_color", b"int packed_color ", "type uint"),
        (b"float max_b", b"float mix_b", "no property max_b"),
        (b"float min_x", b"float mon_x", "no property min_x"),
        (b"element sh 257", b"element sh 256", "element sh"),
        (b"uchar f_rest_8", b"uchar f_rest_9", "element sh"),
        (b"uchar f_rest_0", b"char f_rest_0", "uchar"),
    ],
)
def test_bad_headers_are_refused(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    path = tmp_path / "s.ply"
    compressed_ply.write_gaussians(path, splat(257, 1))
    path.write_bytes(path.read_bytes().replace(old, new))
    assert compressed_ply.FORMAT.recognises(path)
    assert compressed_ply.FORMAT.read
    with pytest.raises(DataError, match=message):
        compressed_ply.FORMAT.read(path)
