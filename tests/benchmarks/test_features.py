"""What is drawn besides colours in the benchmark of features, and the points of another one."""

import pytest
import torch

from draw_points import Settings as PointSettings
from draw_points import scatter
from harness import Clock
from raster.scenes import SceneSettings, make_scene
from raster_features import Extra, Settings, measure, time_extra
from sparse3d.ops.draw import draw

SCENE = SceneSettings(50, 45, 37)


@pytest.mark.parametrize("extra", Settings().extras)
def test_both_passes_of_every_extra_are_timed(extra: Extra) -> None:
    passes = time_extra(make_scene(SCENE), extra, 64, Clock(2, 0))
    assert passes.forward.seconds > 0
    assert passes.backward.seconds > 0


def test_extras_stand_beside_colours_alone() -> None:
    threads = torch.get_num_threads()
    settings = Settings(SCENE, (Extra("2 channels", channels=2),), threads=threads)
    plain, _, *rows = measure(settings, Clock(2, 0))
    assert [row.name for row in rows] == ["forward, 2 channels", "backward, 2 channels"]
    assert rows[0].peer_value == plain.value
    assert plain.peer_value is None


def test_points_are_all_in_view() -> None:
    """Each is drawn at the pixel it lies in, so one alone is never lost."""
    settings = PointSettings(count=40, width=64, height=32)
    points, views = scatter(settings)
    seen = draw([points], views).ids.unique()
    assert len(seen) > 30
    assert int(seen[-1]) <= 39
    x, y, z = points.positions.unbind(1)
    assert bool(((x / z).abs() <= 0.5).all())
    assert bool(((y / z).abs() <= 0.25).all())
