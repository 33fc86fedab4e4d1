"""The backend of spconv: its rulebooks, its forward on the CPU, and how it is chosen."""

import sys

import pytest
import torch

from sparse3d.errors import MissingDependencyError
from sparse3d.ops.neighbours import Kernel, Rulebook, neighbours
from sparse3d.ops.sparse_conv import _choose, _spconv, sparse_conv
from sparse3d.ops.sparse_conv._reference import sparse_conv as reference
from sparse3d.scene.sparse_grid import SparseGrid

SHAPE = (7, 4, 6)
KERNELS = [
    Kernel(),
    Kernel(stride=(2, 2, 2)),
    Kernel((1, 3, 5)),
    Kernel((2, 2, 2), (2, 2, 2), padding=(0, 0, 0), transposed=True),
]


def random_grid(share: float) -> SparseGrid:
    cells = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(3)) < share
    return SparseGrid.of_coordinates(cells.nonzero(), SHAPE, 2)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_pairs_are_those_of_the_rulebook(kernel: Kernel, share: float) -> None:
    _, book = neighbours(random_grid(share), kernel)
    pairs, counts = _spconv.pairs_of(book)
    assert tuple(counts.tolist()) == book.counts
    for k, (sources, targets) in enumerate(book.by_offset()):
        n = len(sources)
        assert torch.equal(pairs[0, k, :n], sources)
        assert torch.equal(pairs[1, k, :n], targets)
        assert bool((pairs[:, k, n:] == -1).all())


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_computes_what_the_reference_does(kernel: Kernel, share: float) -> None:
    if not _spconv.is_installed():
        pytest.skip("spconv is not installed; pip install spconv")
    rng = torch.Generator().manual_seed(5)
    _, book = neighbours(random_grid(share), kernel)
    features = torch.randn(book.inputs, 3, generator=rng)
    weight = torch.randn(len(book.counts), 3, 5, generator=rng)
    bias = torch.randn(5, generator=rng)
    got = sparse_conv(features, weight, book, bias=bias, relu=True, backend="spconv")
    pairs = [
        list(zip(*(rows.tolist() for rows in offset), strict=True)) for offset in book.by_offset()
    ]
    wanted = reference(features, weight, pairs, book.outputs, bias, relu=True)
    torch.testing.assert_close(got.double(), wanted, rtol=0, atol=1e-5)


def some() -> tuple[torch.Tensor, torch.Tensor, Rulebook]:
    _, book = neighbours(random_grid(0.3), Kernel())
    return torch.ones(book.inputs, 2), torch.ones(27, 2, 2), book


def test_what_it_cannot_do_is_named() -> None:
    features, weight, book = some()
    with pytest.raises(ValueError, match=r"takes float32 and float16, got torch.float64"):
        sparse_conv(features.double(), weight.double(), book, backend="spconv")
    with pytest.raises(ValueError, match=r"gradients on CUDA only"):
        sparse_conv(features, weight, book, bias=torch.ones(2).requires_grad_(), backend="spconv")
    with pytest.raises(ValueError, match=r"gradients on CUDA only"):
        sparse_conv(features.requires_grad_(), weight, book, backend="spconv")


def test_absence_is_an_error_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "spconv.pytorch.functional", None)
    with pytest.raises(MissingDependencyError, match="pip install spconv"):
        sparse_conv(*some(), backend="spconv")


@pytest.mark.parametrize("installed", [True, False])
def test_auto_takes_it_on_cuda_only_where_it_is_installed(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_spconv, "is_installed", lambda: installed)
    cuda, expected = torch.device("cuda"), "spconv" if installed else "torch"
    assert _choose("auto", cuda, torch.float32) == expected
    assert _choose("auto", cuda, torch.float64) == "torch"
    assert _choose("auto", torch.device("cpu"), torch.float32) != "spconv"
