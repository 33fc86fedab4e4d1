"""The choice of views against the lists that the papers' code prints."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sparse3d.errors import ConfigError, DataError
from sparse3d.geometry.intrinsics import Intrinsics
from sparse3d.geometry.transforms import look_at
from sparse3d.scene import Camera, Frame, Scene
from sparse3d.scene.scene import Split
from sparse3d.splat.protocols import choose_views, guess_protocol

LENS = Intrinsics(8, 6, 8.0, 8.0, 4.0, 3.0)
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def camera(name: str, position: tuple[float, float, float] = (-3.0, 0.0, 0.0)) -> Camera:
    pose = look_at(torch.tensor(position, dtype=torch.float64), torch.zeros(3).double(), UP)
    return Camera(name, LENS, pose, image_path=Path(name))


def capture(names: list[str], split: Split | None = None) -> Scene:
    return Scene("s", tuple(Frame(name, (camera(name),), split=split) for name in names))


def names(cameras: tuple[Camera, ...]) -> list[str]:
    return [camera.name for camera in cameras]


def test_llff_takes_every_eighth_for_testing_and_spreads_the_rest() -> None:
    split = choose_views(capture([f"{i:03}.png" for i in range(20)]), "llff", (3,))
    assert names(split.test) == ["000.png", "008.png", "016.png"]
    assert names(split.train) == ["001.png", "010.png", "019.png"]


def test_rounding_is_numpys() -> None:
    # np.round(np.linspace(0, 5, 3)) = [0, 2, 5]: 2.5 goes to the even neighbour.
    split = choose_views(capture([f"{i}.png" for i in range(7)]), "llff", (3,))
    assert names(split.train) == ["1.png", "3.png", "6.png"]


def test_dtu_has_its_fixed_views() -> None:
    scene = capture([f"image/{i:06}.png" for i in range(49)])
    split = choose_views(scene, "dtu", (3,))
    assert names(split.train) == ["image/000025.png", "image/000022.png", "image/000028.png"]
    numbers = [int(name[-7:-4]) for name in names(choose_views(scene, "dtu", (9,)).test)]
    expected = [1, 2, 9, 10, 11, 12, 14, 15, 23, 24, 26, 27, *range(29, 36), 41, 42, 43, 45, 46, 47]
    assert numbers == expected


def test_blender_has_its_fixed_views_and_a_white_background() -> None:
    train = capture([f"train/r_{i}.png" for i in range(100)], "train").frames
    test = capture([f"test/r_{i}.png" for i in range(200)], "test").frames
    split = choose_views(Scene("lego", train + test, format="blender"), "auto", (8,))
    assert [int(name[8:-4]) for name in names(split.train)] == [2, 16, 26, 55, 73, 76, 86, 93]
    assert names(split.test) == [f"test/r_{i}.png" for i in range(0, 200, 8)]
    assert split.background == "white"


def test_even_tests_on_everything_else() -> None:
    split = choose_views(capture([f"{i}.jpg" for i in range(10)]), "even", (4,))
    assert names(split.train) == ["0.jpg", "3.jpg", "6.jpg", "9.jpg"]
    assert names(split.test) == ["1.jpg", "2.jpg", "4.jpg", "5.jpg", "7.jpg", "8.jpg"]


def test_names_sort_by_their_numbers() -> None:
    split = choose_views(capture(["10.png", "9.png", "1.png"]), "even", (-1,))
    assert names(split.train) == ["1.png", "9.png", "10.png"]
    assert split.test == ()


def test_views_can_be_named_and_leave_the_test_set() -> None:
    split = choose_views(capture([f"{i:02}.png" for i in range(17)]), "llff", (0, 3, 5))
    assert names(split.train) == ["00.png", "03.png", "05.png"]
    assert names(split.test) == ["08.png", "16.png"]


@pytest.mark.parametrize("views", [(1, 1), (0, 99), (0, -1), (18,), (-2,)])
def test_impossible_views_are_refused(views: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError):
        choose_views(capture([f"{i}.png" for i in range(20)]), "llff", views)


def test_a_scene_without_cameras_or_images_is_refused() -> None:
    with pytest.raises(DataError, match="posed cameras expected"):
        choose_views(Scene("empty"), "even", (1,))
    bare = replace(camera("a.png"), image_path=None)
    with pytest.raises(ConfigError, match="no camera of the scene has an image"):
        choose_views(Scene("s", (Frame("a", (bare,)),)), "even", (1,))


def test_protocol_is_guessed_from_the_directions() -> None:
    around = [
        camera(str(i), (3 * x, 3 * y, 1.0)) for i, (x, y) in enumerate([(1, 0), (0, 1), (-1, 0)])
    ]
    assert guess_protocol(Scene("s", tuple(Frame(c.name, (c,)) for c in around))) == "even"
    assert guess_protocol(capture(["a", "b"])) == "llff"


def test_marked_test_views_are_heeded() -> None:
    train = capture(["0.png", "2.png", "4.png"], "train").frames
    scene = Scene("s", train + capture(["1.png", "3.png"], "test").frames)
    split = choose_views(scene, "auto", (2,))
    assert split.protocol == "even"
    assert names(split.train) == ["0.png", "4.png"]
    assert names(split.test) == ["1.png", "3.png"]
    assert names(choose_views(scene, "even", (0,)).train) == ["0.png", "2.png", "4.png"]
