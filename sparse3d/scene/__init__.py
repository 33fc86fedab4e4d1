"""The nouns: what a scene holds, as frozen typed data."""

from sparse3d.scene.boxes import Boxes3D, ImageBoxes
from sparse3d.scene.camera import Camera
from sparse3d.scene.gaussians import SH_C0, Gaussians
from sparse3d.scene.mesh import Mesh
from sparse3d.scene.points import PointCloud
from sparse3d.scene.scene import Frame, Scene
from sparse3d.scene.sparse_grid import SparseGrid
from sparse3d.scene.stored import Stored, read
from sparse3d.scene.voxel_space import VoxelSpace

__all__ = [
    "SH_C0",
    "Boxes3D",
    "Camera",
    "Frame",
    "Gaussians",
    "ImageBoxes",
    "Mesh",
    "PointCloud",
    "Scene",
    "SparseGrid",
    "Stored",
    "VoxelSpace",
    "read",
]
