"""Prints width and height of the JPEG file named by the first argument; ends with 1 if it is no whole JPEG.

tests/compose/run.sh uses it, so that the test needs no image library. It reads markers only and decodes nothing.
"""

import struct
import sys

# Start-of-frame markers: 0xC0 to 0xCF without DHT (0xC4), JPG (0xC8) and DAC (0xCC).
FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def jpeg_size(data):
    """Width and height in pixels. Raises ValueError with the reason if `data` is no JPEG."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("does not begin with a JPEG's first marker")
    if data[-2:] != b"\xff\xd9":
        raise ValueError("does not end with a JPEG's last marker")
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker in FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + length
    raise ValueError("has no frame header")


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    try:
        print(*jpeg_size(content))
    except ValueError as error:
        sys.exit(f"{sys.argv[1]}: {len(content)} bytes: {error}; they begin with {content[:200]!r}")
