"""Writes small pictures with colour profiles and of several forms, and what littlecms (by Pillow) makes of them.

    python pictures_goldens.py FOLDER

Pillow 13, its littlecms 2.19; heif-enc of libheif 1.15.1 for HEIC. With a second argument `printed`, only profiles of tables, inks
and GIF.
"""
import io
import struct
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageCms

OUT = Path(sys.argv[1])
NO_OPTIMIZE = 0x0100
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


def profile(space, tags, kind=b"mntr", connection=b"XYZ ", version=0x02400000):
    tags = {"desc": b"desc\0\0\0\0\0\0\0\5test\0" + b"\0" * 78, "wtpt": xyz(D50), "cprt": b"text\0\0\0\0none\0", **tags}
    table, data = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name.encode() + struct.pack(">II", start + len(data), len(content))
        data += content
    size = start + len(data)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", version, kind, space, connection)
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


def srgb_light(v):
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def lab(rgb, floor=0.006):
    """Of light in P3's primaries, whose darkest is not black."""
    light = [floor + (1 - floor) * v for v in rgb]
    xyz = [sum(P3[k][i] * light[k] for k in range(3)) for i in range(3)]
    f = [t ** (1 / 3) if t > 216 / 24389 else 841 / 108 * t + 16 / 116 for t in (x / w for x, w in zip(xyz, D50))]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def words(values):
    return b"".join(struct.pack(">H", min(65535, max(0, round(v)))) for v in values)


def nodes(channels, n, color):
    """Labs of all places of a grid, of which the last channel changes fastest."""
    for i in range(n**channels):
        yield lab(color([i // n ** (channels - 1 - c) % n / (n - 1) for c in range(channels)]))


def inks(cmyk):
    """Inks that are not quite what they are called, as real ones."""
    c, m, y, k = cmyk
    light = [(1 - 0.95 * c) * (1 - 0.15 * m), (1 - 0.25 * c) * (1 - 0.9 * m) * (1 - 0.05 * y), (1 - 0.1 * c) * (1 - 0.3 * m) * (1 - 0.9 * y)]
    return [srgb_light(v * (1 - 0.97 * k)) for v in light]


def lut16(channels, n, color):
    curve = words(65535 * (i / 15) ** 1.1 for i in range(16))
    grid = b"".join(words((l * 652.8, (a + 128) * 256, (b + 128) * 256)) for l, a, b in nodes(channels, n, color))
    head = b"mft2\0\0\0\0" + bytes([channels, 3, n, 0]) + b"".join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return head + struct.pack(">HH", 16, 2) + curve * channels + grid + words((0, 65535)) * 3


def lut8(channels, n, color):
    grid = b"".join(bytes(min(255, max(0, round(v))) for v in (l * 2.55, a + 128, b + 128)) for l, a, b in nodes(channels, n, color))
    head = b"mft1\0\0\0\0" + bytes([channels, 3, n, 0]) + b"".join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    return head + bytes(range(256)) * channels + grid + bytes(range(256)) * 3


def a_to_b(channels, n, color):
    line = b"curv" + b"\0" * 8
    grid = b"".join(words((l * 655.35, (a + 128) * 257, (b + 128) * 257)) for l, a, b in nodes(channels, n, color))
    grid = bytes([n] * channels).ljust(16, b"\0") + b"\2\0\0\0" + grid
    grid += b"\0" * (-len(grid) % 4)
    start = 32
    matrix = start + 3 * len(line)
    middle = matrix + 48
    table = middle + 3 * len(line)
    head = b"mAB \0\0\0\0" + bytes([channels, 3, 0, 0]) + struct.pack(">5I", start, matrix, middle, table, table + len(grid))
    identity = b"".join(s15(v) for v in (1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0))
    return head + line * 3 + identity + line * 3 + grid + SRGB_CURVE * channels


def linear(rgb):
    return [srgb_light(v) for v in rgb]


TABLES = {
    "cmyk": profile(b"CMYK", {"A2B0": lut16(4, 9, inks)}, b"prtr", b"Lab "),
    "lut16": profile(b"RGB ", {"A2B0": lut16(3, 17, linear)}, b"scnr", b"Lab "),
    "lut8": profile(b"RGB ", {"A2B0": lut8(3, 17, linear)}, b"scnr", b"Lab "),
    "a-to-b": profile(b"RGB ", {"A2B0": a_to_b(3, 17, lambda rgb: rgb)}, b"scnr", b"Lab ", 0x04200000),
}


def smooth(mode):
    image = Image.new("RGB", (48, 32))
    image.putdata([(5 * x, 8 * y, 255 - 3 * x - 3 * y) for y in range(32) for x in range(48)])
    return image.convert(mode)


def to_srgb(source, icc, name):
    """Exactly: by default littlecms makes a table of 33 places (23 of inks) of all of it, which near the gamut's edge is up to 14 levels off."""
    exact = ImageCms.profileToProfile(source, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB", flags=NO_OPTIMIZE)
    exact.save(OUT / f"{name}-srgb.png", icc_profile=None)


def printed():
    for name in ("lut16", "lut8", "a-to-b"):
        smooth("RGB").save(OUT / f"{name}.png", icc_profile=TABLES[name])
        to_srgb(smooth("RGB"), TABLES[name], name)
    picture("RGB").save(OUT / "adobe-rgb.tif", icc_profile=PROFILES["adobe-rgb"])
    cmyk = Image.new("CMYK", (48, 32))
    cmyk.putdata([(5 * x, 8 * y, 240 - 2 * x - 4 * y, 2 * x + 2 * y) for y in range(32) for x in range(48)])
    options = {"quality": 95, "icc_profile": TABLES["cmyk"]}
    cmyk.save(OUT / "cmyk.jpg", "JPEG", subsampling=0, **options)
    to_srgb(Image.open(OUT / "cmyk.jpg"), TABLES["cmyk"], "cmyk")
    Image.new("CMYK", (8, 8), (200, 10, 30, 0)).save(OUT / "cmyk.tif")
    # YCCK: what is stored of inks, which is 255 less them, as luminance and colour differences, by Adobe's mark alone.
    stored = Image.merge("RGB", [channel.point(lambda v: 255 - v) for channel in cmyk.split()[:3]])
    # libjpeg makes inks of them as 255 less red, green and blue, and Pillow writes them inverted.
    differences = stored.point(lambda v: 255 - v).convert("YCbCr").split()
    channels = [channel.point(lambda v: 255 - v) for channel in differences] + [cmyk.split()[3]]
    buffer = io.BytesIO()
    Image.merge("CMYK", channels).save(buffer, "JPEG", subsampling=2, progressive=True, **options)
    file = bytearray(buffer.getvalue())
    file[file.index(b"Adobe") + 11] = 2
    (OUT / "ycck.jpg").write_bytes(file)
    to_srgb(Image.open(OUT / "ycck.jpg"), TABLES["cmyk"], "ycck")

    palette = picture("RGB").quantize(64)
    palette.save(OUT / "still.gif", interlace=1)
    Image.open(OUT / "still.gif").convert("RGB").save(OUT / "still-gif.png")
    palette.save(OUT / "animated.gif", save_all=True, append_images=[Image.new("RGB", (48, 32), (255, 0, 0))], duration=100)
    part = Image.new("P", (48, 32), 0)
    part.putpalette([255, 255, 255, 200, 30, 40, 10, 200, 90])
    part.paste(1, (8, 8, 24, 24))
    part.paste(2, (12, 4, 30, 20))
    part.save(OUT / "transparent.gif", transparency=0)


if "printed" in sys.argv:
    printed()
    sys.exit()
printed()

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
