"""Sparse 3D vision on ordinary machines: detect, reconstruct, view.

Importing this package loads nothing heavy: torch comes with the first sub-package that needs it,
Open3D, nerfstudio, spconv, gsplat and viser only inside the adapters that use them.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
