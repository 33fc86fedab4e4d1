"""What a reconstruction leaves behind: the splat, and pictures of every test view."""

from pathlib import Path

from sparse3d.scene.formats.gaussian_ply import write_gaussians
from sparse3d.scene.images import write_depth, write_rgb
from sparse3d.splat.photos import Photo
from sparse3d.splat.task import SplatTask

__all__ = ["export_results", "picture_name"]


def export_results(task: SplatTask, folder: Path) -> None:
    """Write ``splat.ply``, ``renders/``, ``truth/`` (PNG) and ``depth/`` (float32 ``.npy``).

    The pictures are those of the test views; of the training views where there are no test views.

    Args:
        task: A trained task.
        folder: Run folder; files of an earlier export are replaced.
    """
    write_gaussians(folder / "splat.ply", task.gaussians())
    for name in ("renders", "truth", "depth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for camera in task.test_cameras or task.split.train:
        _export_view(task, task.load_photo(camera), folder)


def picture_name(camera_name: str) -> str:
    """File name without suffix for the pictures of a camera: its name, made flat.

    Example:
        >>> picture_name("images/0001.jpg")
        'images_0001'
    """
    return Path(camera_name).with_suffix("").as_posix().replace("/", "_")


def _export_view(task: SplatTask, photo: Photo, folder: Path) -> None:
    render = task.render(photo.intrinsics, photo.world_from_camera)
    name = picture_name(photo.name)
    write_rgb(folder / "renders" / f"{name}.png", render.colors[0])
    write_rgb(folder / "truth" / f"{name}.png", photo.image)
    write_depth(folder / "depth" / f"{name}.npy", render.depths[0])
