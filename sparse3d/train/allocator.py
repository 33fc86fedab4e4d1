"""The C library's memory allocator, told that freed memory will be needed again."""

import ctypes
import platform

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGE = 1 << 30


def keep_freed_memory() -> bool:
    """Let large blocks come from the heap, and let the heap keep what is freed.

    A training step frees and allocates the same large tensors again and again; so does inference,
    frame by frame. By default glibc gives those back to the system each time, which then has to
    clear the pages anew: a sixth of the time of a detector. For the whole process; results do not
    change.

    Returns:
        Whether the C library is glibc and took the settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    from_heap = library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
    kept = library.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE - 1)
    return bool(from_heap and kept)
