"""Made photos as bytes, in every format that is read."""

import io
import struct
import zlib
from importlib.util import find_spec
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageCms, features


def png(width: int, height: int, channels: int = 3) -> bytes:
    """A black PNG of any size in few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    packed = zlib.compressobj(1)
    rows = b"".join(packed.compress(bytes(1 + channels * width)) for _ in range(height)) + packed.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def pictures(width: int, height: int) -> dict[str, bytes]:
    """One photo in every format and kind that Pillow writes here, by name."""
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    rgb = PillowImage.fromarray(small).resize((width, height), PillowImage.Resampling.BICUBIC)
    clear, grey = rgb.convert("RGBA"), np.asarray(rgb.convert("L"))
    clear.putalpha(rgb.convert("L"))
    lab = ImageCms.profileToProfile(
        rgb, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    deep = PillowImage.fromarray(grey.astype(np.uint16) * 257)
    turned = PillowImage.Exif()
    turned[0x0112] = 6
    one_strip = {"compression": "tiff_adobe_deflate", "tiffinfo": {278: height}}
    kinds: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "jpeg": (rgb, "JPEG", {"exif": turned}),
        "jpeg-grey": (rgb.convert("L"), "JPEG", {"exif": turned}),
        "jpeg-progressive": (rgb, "JPEG", {"progressive": True, "subsampling": 0}),
        "jpeg-cmyk": (rgb.convert("CMYK"), "JPEG", {"progressive": True}),
        "png": (rgb, "PNG", {"compress_level": 1}),
        "png-clear": (clear, "PNG", {"compress_level": 1}),
        "png-palette": (rgb.convert("P"), "PNG", {"compress_level": 1, "transparency": 3}),
        "png-16": (deep, "PNG", {"compress_level": 1}),
        "tiff": (rgb, "TIFF", one_strip),
        "tiff-clear": (clear, "TIFF", one_strip),
        "tiff-float": (PillowImage.fromarray(grey.astype(np.float32) - 3), "TIFF", {}),
        "tiff-lab": (lab, "TIFF", {}),
        "gif": (rgb.convert("P"), "GIF", {}),
        "bmp": (rgb, "BMP", {}),
        "ppm": (rgb, "PPM", {}),
        "tga": (clear, "TGA", {"compression": "tga_rle"}),
        "webp": (rgb, "WEBP", {"method": 0}),
        "webp-lossless": (clear, "WEBP", {"lossless": True, "method": 0, "quality": 0}),
        "jpeg2000": (clear, "JPEG2000", {}),
        "jpeg2000-16": (deep, "JPEG2000", {}),
        "avif": (clear, "AVIF", {"speed": 10, "subsampling": "4:4:4"}),
    }
    if find_spec("pillow_heif") is not None:
        from pillow_heif import from_pillow

        # Of 4:2:0, as phones write it, of all samples, and with transparency.
        heic = {"heic": (rgb, 420), "heic-444": (rgb, 444), "heic-clear": (clear, 444)}
    else:
        heic = {}
    there = {"WEBP": features.check("webp"), "JPEG2000": features.check("jpg_2000"), "AVIF": features.check("avif")}
    made = {}
    for name, (picture, form, options) in kinds.items():
        if there.get(form, True):
            stream = io.BytesIO()
            picture.save(stream, form, **options)
            made[name] = stream.getvalue()
    for name, (picture, chroma) in heic.items():
        stream = io.BytesIO()
        from_pillow(picture).save(stream, format="HEIF", quality=50, chroma=chroma)
        made[name] = stream.getvalue()
    return made
