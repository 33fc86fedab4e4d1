"""Bare LiDAR rows: which layout they are, and sweeps that are cut short."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sparse3d.errors import DataError
from sparse3d.scene import PointCloud
from sparse3d.scene.formats import lidar_bin


def rows(n: int, columns: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(n, columns)) * 20
    table[:, 3] = rng.uniform(0, 1, n)
    if columns == 5:
        table[:, 4] = rng.integers(0, 32, n)
    return table.astype("<f4")


@pytest.mark.parametrize("columns", [4, 5])
@pytest.mark.parametrize("n", [20, 80, 401])
def test_layout_is_told_by_the_values(tmp_path: Path, columns: int, n: int) -> None:
    path, table = tmp_path / "a.bin", rows(n, columns)
    table.tofile(path)
    assert lidar_bin.FORMAT.recognises(path)
    assert lidar_bin.FORMAT.read
    scene = lidar_bin.FORMAT.read(path)
    assert getattr(scene.frames[0].points, "count", None) == n
    cloud = scene.frames[0].read_points()
    assert cloud is not None
    np.testing.assert_array_equal(cloud.positions.numpy(), table[:, :3])
    assert cloud.intensities is not None
    np.testing.assert_array_equal(cloud.intensities.numpy(), table[:, 3])
    assert (cloud.rings is not None) == (columns == 5)


def test_real_sweeps(shared_data: Path) -> None:
    sweep = next((shared_data / "nuscenes_keyframe/samples/LIDAR_TOP").glob("*.bin"))
    cloud = lidar_bin.read_points(sweep)
    assert len(cloud) == 34688
    assert cloud.rings is not None
    assert (int(cloud.rings.min()), int(cloud.rings.max())) == (0, 31)
    for name, count in (("00/velodyne/000000", 124668), ("01/velodyne/000000", 90404)):
        path = shared_data / "semantic_kitti_mini/sequences" / f"{name}.bin"
        cloud = lidar_bin.read_points(path)
        assert (len(cloud), cloud.rings) == (count, None)


@pytest.mark.parametrize("columns", [4, 5])
def test_every_cut_within_a_row_is_refused(tmp_path: Path, columns: int) -> None:
    path, data = tmp_path / "cut.bin", rows(80, columns).tobytes()
    for size in range(len(data) - 4 * columns, len(data)):
        path.write_bytes(data[:size])
        if size % (4 * columns):
            with pytest.raises(DataError, match=r"cut\.bin.*cut short"):
                lidar_bin.read_points(path)


def test_empty_and_strange_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    assert lidar_bin.FORMAT.recognises(path)
    with pytest.raises(DataError, match="empty"):
        lidar_bin.read_points(path)
    for data in (b"text " * 80, np.arange(400, dtype="<u4").tobytes()):
        path.write_bytes(data)
        assert not lidar_bin.FORMAT.recognises(path)
        with pytest.raises(DataError, match=r"a\.bin"):
            lidar_bin.read_points(path)


def test_written_sweeps_come_back(tmp_path: Path) -> None:
    table = torch.from_numpy(rows(50, 4))
    table[3, 0] = float("nan")
    lidar_bin.write_sweep(tmp_path / "a.bin", PointCloud(table[:, :3], intensities=table[:, 3]))
    cloud = lidar_bin.read_points(tmp_path / "a.bin")
    torch.testing.assert_close(cloud.positions, table[:, :3], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("shape", [(7, 3), (7, 4), (7, 6)])
def test_npy_arrays(tmp_path: Path, shape: tuple[int, int]) -> None:
    array = np.random.default_rng(1).normal(size=shape)
    np.save(tmp_path / "a.npy", array)
    assert lidar_bin.FORMAT.recognises(tmp_path / "a.npy")
    cloud = lidar_bin.read_points(tmp_path / "a.npy")
    np.testing.assert_array_equal(cloud.positions.numpy(), array[:, :3])
    assert len(cloud.extra) == max(shape[1] - 4, 0)


def test_damaged_npy_arrays_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, rows(5, 4))
    data = path.read_bytes()
    for size in range(6, len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"a\.npy"):
            lidar_bin.read_points(path)
    with path.open("wb") as file:
        promise = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 4)}
        np.lib.format.write_array_header_1_0(file, promise)
    with pytest.raises(DataError, match=r"a\.npy"):
        lidar_bin.read_points(path)
    path.write_bytes(data.replace(b"'fortran", b"(fortran", 1))  # a header that is no literal
    with pytest.raises(DataError, match=r"a\.npy"):
        lidar_bin.read_points(path)
    np.save(path, np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match=r"a\.npy"):
        lidar_bin.read_points(path)
    np.save(path, np.zeros((0, 3)))
    with pytest.raises(DataError, match="empty"):
        lidar_bin.read_points(path)
