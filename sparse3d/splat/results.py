"""What a reconstruction leaves behind: the splat, and pictures of views."""

from collections.abc import Iterable
from pathlib import Path

from sparse3d.ops.rasterize import Render
from sparse3d.scene import Gaussians
from sparse3d.scene.formats.gaussian_ply import write_gaussians
from sparse3d.scene.images import write_depth, write_rgb
from sparse3d.splat.photos import Photo

__all__ = ["export_results", "picture_name"]


def export_results(
    folder: Path, gaussians: Gaussians, pictures: Iterable[tuple[Photo, Render]]
) -> None:
    """Write ``splat.ply``, ``renders/``, ``truth/`` (PNG) and ``depth/`` (float32 ``.npy``).

    Args:
        folder: Run folder; files of an earlier export are replaced.
        gaussians: The splat.
        pictures: Photos and what the splat looks like from their cameras, one after the other.
    """
    write_gaussians(folder / "splat.ply", gaussians)
    for name in ("renders", "truth", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for photo, render in pictures:
        name = picture_name(photo.name)
        write_rgb(folder / "renders" / f"{name}.png", render.colors[0])
        write_rgb(folder / "truth" / f"{name}.png", photo.image)
        write_depth(folder / "depth" / f"{name}.npy", render.depths[0])


def picture_name(camera_name: str) -> str:
    """File name without suffix for the pictures of a camera: its name, made flat.

    Example:
        >>> picture_name("images/0001.jpg")
        'images_0001'
    """
    return Path(camera_name).with_suffix("").as_posix().replace("/", "_")
