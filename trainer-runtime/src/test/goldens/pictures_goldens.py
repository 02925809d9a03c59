"""Writes small pictures with colour profiles and of several forms, and what littlecms (by Pillow) makes of them.

    python pictures_goldens.py FOLDER

Pillow 13, its littlecms 2.19; heif-enc of libheif 1.15.1 for HEIC.
"""
import io
import struct
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageCms

OUT = Path(sys.argv[1])
D50 = (0.9642, 1.0, 0.8249)
P3 = [(0.515102, 0.241182, -0.001049), (0.291965, 0.692236, 0.041881), (0.157153, 0.066581, 0.784378)]
ADOBE = [(0.609741, 0.311111, 0.019470), (0.205276, 0.625671, 0.060867), (0.149185, 0.063217, 0.744568)]


def s15(value):
    return struct.pack(">i", round(value * 65536))


def xyz(values):
    return b"XYZ \0\0\0\0" + b"".join(s15(v) for v in values)


SRGB_CURVE = b"para\0\0\0\0\0\3\0\0" + b"".join(s15(v) for v in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
GAMMA = b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(2.19921875 * 256)) + b"\0\0"
TABLE = b"curv\0\0\0\0" + struct.pack(">I", 64) + b"".join(struct.pack(">H", round((i / 63) ** 1.8 * 65535)) for i in range(64))


def profile(space, tags):
    tags = {"desc": b"desc\0\0\0\0\0\0\0\5test\0" + b"\0" * 78, "wtpt": xyz(D50), "cprt": b"text\0\0\0\0none\0", **tags}
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name.encode() + struct.pack(">II", start + len(data), len(content))
        data += content
    size = start + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + b"".join(s15(v) for v in D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def rgb(primaries, curve):
    return profile(b"RGB ", {**{f"{c}XYZ": xyz(p) for c, p in zip("rgb", primaries)}, **{f"{c}TRC": curve for c in "rgb"}})


PROFILES = {
    "display-p3": rgb(P3, SRGB_CURVE),
    "adobe-rgb": rgb(ADOBE, GAMMA),
    "table": rgb(P3, TABLE),
    "grey-gamma": profile(b"GRAY", {"kTRC": b"curv\0\0\0\0\0\0\0\1" + struct.pack(">H", round(1.8 * 256)) + b"\0\0"}),
}


def picture(mode):
    image = Image.new("RGB", (48, 32))
    image.putdata([(5 * x, 8 * y, (7 * x + 5 * y) % 256) for y in range(32) for x in range(48)])
    return image.convert(mode)


for name, icc in PROFILES.items():
    source = picture("L" if name.startswith("grey") else "RGB")
    source.save(OUT / f"{name}.png", icc_profile=icc)
    srgb = ImageCms.profileToProfile(source, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
    srgb.save(OUT / f"{name}-srgb.png", icc_profile=None)
jpeg = io.BytesIO()
picture("RGB").save(jpeg, "JPEG", quality=98, subsampling=0, icc_profile=PROFILES["display-p3"])
(OUT / "display-p3.jpg").write_bytes(jpeg.getvalue())
ImageCms.profileToProfile(
    Image.open(jpeg), io.BytesIO(PROFILES["display-p3"]), ImageCms.createProfile("sRGB"), outputMode="RGB"
).save(OUT / "display-p3-jpeg-srgb.png", icc_profile=None)

frames = [picture("RGB"), Image.new("RGB", (48, 32), (255, 0, 0))]
for form in ("webp", "png"):
    options = {"lossless": True} if form == "webp" else {}
    frames[0].save(OUT / f"animated.{form}", save_all=True, append_images=frames[1:], duration=100, **options)
picture("RGB").save(OUT / "whole.png")
alpha = picture("RGBA")
alpha.putalpha(Image.new("L", (48, 32), 255))
alpha.paste((0, 0, 0, 0), (0, 0, 24, 32))
alpha.save(OUT / "alpha.png")
for name in ("whole", "alpha"):
    for form in ("heic", "avif"):
        subprocess.run(["heif-enc", "-q", "95", "-p", "chroma=444", "-o", OUT / f"{name}.{form}", OUT / f"{name}.png"], check=True)
