"""Decoder of LZF, the byte compression of ``binary_compressed`` PCD files.

A control byte below 32 copies that many bytes and one more; any other starts a back reference: its
upper 3 bits (7: a further byte is added) and 2 make the length, its lower 5 bits and the next byte
the distance less one (M. Lehmann, LibLZF).
"""

__all__ = ["decompress"]

LARGEST_RATIO = 88
"""A back reference of 3 bytes yields 264 bytes at most."""


def decompress(data: bytes, size: int) -> bytes:
    """The ``size`` bytes that were compressed.

    Raises:
        ValueError: If the data end early, point before their start, or yield another size.
    """
    if size > LARGEST_RATIO * len(data):
        raise ValueError(f"{len(data)} compressed bytes cannot hold {size}")
    out = bytearray()
    position = 0
    try:
        while position < len(data):
            position = _step(data, position, out)
            if len(out) > size:
                break
    except IndexError:
        raise ValueError("compressed data are cut short") from None
    if len(out) != size:
        raise ValueError(f"compressed data hold {len(out)} bytes instead of {size}")
    return bytes(out)


def _step(data: bytes, position: int, out: bytearray) -> int:
    control = data[position]
    if control < 32:
        end = position + control + 2
        if end > len(data):
            raise ValueError("compressed data are cut short")
        out += data[position + 1 : end]
        return end
    length, position = (control >> 5) + 2, position + 1
    if length == 9:
        length, position = length + data[position], position + 1
    distance = ((control & 31) << 8) + data[position] + 1
    start = len(out) - distance
    if start < 0:
        raise ValueError("compressed data point before their start")
    while length > 0:  # source and target may overlap: what was copied is copied again
        chunk = out[start : start + length]
        out += chunk
        length -= len(chunk)
        start += len(chunk)
    return position + 1
