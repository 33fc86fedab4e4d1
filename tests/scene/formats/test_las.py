"""LAS files written by laspy."""

import struct
from pathlib import Path

import laspy
import numpy as np
import pytest

from sparse3d.errors import DataError, MissingDependencyError
from sparse3d.scene.formats import las


def write(path: Path, version: str = "1.4", point_format: int = 7, n: int = 9) -> laspy.LasData:
    rng = np.random.default_rng(2)
    header = laspy.LasHeader(point_format=point_format, version=version)
    header.offsets, header.scales = np.array([4e5, 5e6, 0]), np.full(3, 0.001)
    data = laspy.LasData(header)
    data.x, data.y, data.z = (4e5 + rng.random(n), 5e6 + rng.random(n), rng.random(n))
    data.intensity = rng.integers(0, 65536, n)
    data.classification = rng.integers(0, 19, n)
    data.red = data.green = rng.integers(0, 65536, n)
    data.blue = np.full(n, 65535)
    data.gps_time = rng.random(n)
    data.write(str(path))
    return data


@pytest.mark.parametrize(("version", "point_format"), [("1.2", 3), ("1.4", 7)])
def test_laspy_files_read_the_same(tmp_path: Path, version: str, point_format: int) -> None:
    path = tmp_path / "a.las"
    written = write(path, version, point_format)
    assert las.FORMAT.recognises(path)
    assert las.FORMAT.read
    scene = las.FORMAT.read(path)
    assert (getattr(scene.points, "count", None), scene.metric) == (9, True)
    cloud = scene.read_points()
    assert cloud is not None
    np.testing.assert_array_equal(cloud.positions.numpy(), written.xyz)
    assert cloud.colors is not None
    assert cloud.labels is not None
    np.testing.assert_allclose(
        cloud.colors.numpy()[:, 0], np.asarray(written.red) / 65535, rtol=1e-6
    )
    np.testing.assert_array_equal(cloud.labels.numpy(), np.asarray(written.classification))
    np.testing.assert_array_equal(cloud.extra["gps_time"].numpy(), np.asarray(written.gps_time))


def test_every_cut_is_refused(tmp_path: Path) -> None:
    path, cut = tmp_path / "a.las", tmp_path / "cut.las"
    write(path, n=2)
    data = path.read_bytes()
    for size in range(len(data)):
        cut.write_bytes(data[:size])
        with pytest.raises(DataError, match=r"cut\.las"):
            las.read_points(cut)


def test_bad_promises_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.las"
    write(path)
    data = bytearray(path.read_bytes())
    for count, message in ((10**12, "cut short"), (0, "empty")):
        struct.pack_into("<Q", data, 247, count)
        path.write_bytes(data)
        with pytest.raises(DataError, match=message):
            las.read_points(path)


@pytest.mark.parametrize("offset", [100, 243])
def test_records_that_cannot_be_there_are_refused(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "a.las"
    write(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, offset, 2**32 - 1)
    path.write_bytes(data)
    with pytest.raises(DataError, match="4294967295 records"):
        las.read_points(path)


def test_compressed_files_need_a_decompressor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.las"
    write(path)
    data = bytearray(path.read_bytes())
    data[104] |= 0x80
    path.write_bytes(data)
    monkeypatch.setattr(laspy.LazBackend, "detect_available", lambda: ())
    with pytest.raises(MissingDependencyError, match="lazrs"):
        las.read_points(path)
