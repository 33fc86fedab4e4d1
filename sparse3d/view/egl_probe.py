"""A program that tells by its exit code whether EGL, as Open3D will ask for it, comes up.

It runs in a process of its own, since Open3D would end the process where EGL is missing. Standard
library only. Exit codes: 0 it works; 3 no libEGL; 4 no usable driver.
"""

import ctypes
import sys

_NO_LIBRARY, _NO_DRIVER = 3, 4


def main() -> int:
    """Initialise the default EGL display, which ``EGL_PLATFORM`` chooses."""
    try:
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError:
        return _NO_LIBRARY
    egl.eglGetDisplay.restype = ctypes.c_void_p
    egl.eglGetDisplay.argtypes = [ctypes.c_void_p]
    egl.eglInitialize.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    display = egl.eglGetDisplay(None)
    return 0 if display and egl.eglInitialize(display, None, None) else _NO_DRIVER


if __name__ == "__main__":
    sys.exit(main())
