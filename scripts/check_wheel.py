"""Check an installed sparse3d: it imports, its C++ kernels are there and give the right numbers.

Run with the Python of the environment, from anywhere outside a clone::

    python check_wheel.py
"""

import sys

import torch

from sparse3d.ops.backend import native_module
from sparse3d.ops.ssim import ssim


def main() -> int:
    """Compare a kernel, forward and backward, with its definition; returns the exit code."""
    module = native_module()
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(2, 37, 29, 3, generator=generator, requires_grad=True)
    target = torch.rand(2, 37, 29, 3, generator=generator)
    cotangent = torch.rand(2, generator=generator)
    gradients = []
    for backend in ("native", "torch"):
        value = ssim(image, target, backend=backend)
        gradients.append((value, *torch.autograd.grad((value * cotangent).sum(), image)))
    for native, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(native, expected, rtol=1e-4, atol=1e-6)
    print(
        f"sparse3d kernels ({module.isa()}, {module.threads()} threads) agree with torch"
        f" {torch.__version__} under Python {sys.version.split()[0]}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
