"""Masked modelling of images with sparse convolutions, after SparK.

Tian et al. 2023, "Designing BERT for Convolutional Networks: Sparse and Hierarchical Masked
Modeling": patches are hidden, the encoder convolves the visible pixels only, so that its statistics
and its receptive fields see no holes, and a decoder fills in what is missing.

An image is a grid with one cell along z: x counts columns, y rows, and kernels have size 1 along z.
A strided convolution whose kernel is wider than its stride reaches into hidden patches; one that is
as wide as its stride, of which the edge of a patch is a multiple, keeps them hidden.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sparse3d.nn.sparse import SparseTensor
from sparse3d.scene.sparse_grid import SparseGrid

__all__ = ["fill_hidden", "hidden_loss", "random_patches", "visible_pixels"]


def random_patches(
    batch: int, patches: tuple[int, int], hidden: float, generator: torch.Generator
) -> Bool[Tensor, "b r c"]:
    """Which patches are visible: in each image as many, drawn without regard to where they are.

    Args:
        batch: Number of images.
        patches: Rows and columns of patches.
        hidden: Share of the patches to hide; the visible ones are rounded up to a whole number.
        generator: Where the random numbers come from.

    Raises:
        ValueError: If the share is not in [0, 1].
    """
    if not 0 <= hidden <= 1:
        raise ValueError(f"a share of hidden patches from 0 to 1 expected, got {hidden}")
    count = patches[0] * patches[1]
    ranks = torch.rand(batch, count, generator=generator).argsort(1).argsort(1)
    return (ranks >= int(hidden * count)).reshape(batch, *patches)


def visible_pixels(
    images: Float[Tensor, "b k h w"], visible: Bool[Tensor, "_ r c"]
) -> SparseTensor:
    """The pixels of the visible patches; gradients flow to the images.

    Args:
        images: The images, all of one size.
        visible: Which patches are visible; they divide the image evenly.

    Raises:
        ValueError: If they do not, or belong to other images.
    """
    pixels = _per_pixel(visible, images.shape)
    batch, column, row = pixels.transpose(1, 2).nonzero().unbind(1)
    cells = torch.stack([batch, column, row, torch.zeros_like(batch)], 1)
    shape = (images.shape[3], images.shape[2], 1)
    grid = SparseGrid.of_coordinates(cells, shape, images.shape[0])
    batch, column, row, _ = grid.coordinates().unbind(1)
    return SparseTensor(grid, images[batch, :, row, column])


def fill_hidden(tensor: SparseTensor, token: Float[Tensor, " k"]) -> Float[Tensor, "b k h w"]:
    """Images of features again, with a token for the pixels that are hidden.

    Args:
        tensor: Features of visible pixels, on the grid of the images or a coarser one.
        token: What stands for all others, usually trained.

    Raises:
        ValueError: If the grid has more than one cell along z.
    """
    width, height, depth = tensor.grid.shape
    if depth != 1:
        raise ValueError(f"a grid with one cell along z expected, got {tensor.grid.shape}")
    batch, column, row, _ = tensor.grid.coordinates().unbind(1)
    images = token.expand(tensor.grid.batch_size, height, width, -1)
    return images.index_put((batch, row, column), tensor.features).permute(0, 3, 1, 2)


def hidden_loss(
    predicted: Float[Tensor, "b k h w"],
    images: Float[Tensor, "b k h w"],
    visible: Bool[Tensor, "_ r c"],
) -> Float[Tensor, ""]:
    """Mean squared error of the hidden pixels, each patch normalised (He et al. 2022, section 3).

    Args:
        predicted: Pixels, in units of the standard deviation of their patch from its mean.
        images: The images.
        visible: Which patches are visible; nothing is asked of them.

    Raises:
        ValueError: If the patches do not divide the images evenly.
    """
    hidden = ~_per_pixel(visible, images.shape)
    if not bool(hidden.any()):
        return 0 * predicted.sum()
    errors = (predicted - _normalised(images, visible.shape[1:])) ** 2
    return errors.mean(1)[hidden].mean()


def _per_pixel(visible: Bool[Tensor, "_ r c"], shape: torch.Size) -> Bool[Tensor, "b h w"]:
    batch, rows, columns = visible.shape
    if batch != shape[0] or shape[2] % rows or shape[3] % columns:
        raise ValueError(
            f"{tuple(visible.shape)} patches cannot divide images of {tuple(shape)} evenly"
        )
    tall = visible.repeat_interleave(shape[2] // rows, 1)
    return tall.repeat_interleave(shape[3] // columns, 2)


def _normalised(images: Float[Tensor, "b k h w"], patches: torch.Size) -> Float[Tensor, "b k h w"]:
    """Every channel of every patch with mean 0 and variance 1."""
    height, width = images.shape[2] // patches[0], images.shape[3] // patches[1]
    split = images.unflatten(3, (patches[1], width)).unflatten(2, (patches[0], height))
    variance, mean = torch.var_mean(split, dim=(3, 5), keepdim=True, unbiased=False)
    normalised = (split - mean) / (variance + 1e-6).sqrt()
    return normalised.flatten(4, 5).flatten(2, 3)
