"""Makes JPEG pictures of 4032 x 3024 pixels (12 megapixels) as a camera's files are: smooth areas, edges and grain, 4:2:0.

usage: pictures.py FOLDER N
"""
import sys
from pathlib import Path

import pyvips

folder, n = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
width, height = 4032, 3024
for i in range(n):
    file = folder / f"{i:04d}.jpg"
    if file.exists():
        continue
    bands = []
    for b in range(3):
        smooth = pyvips.Image.perlin(width // 8, height // 8, cell_size=64, seed=3 * i + b).resize(8, kernel="linear")
        smooth = smooth.crop(0, 0, width, height)
        edges = pyvips.Image.worley(width // 8, height // 8, cell_size=48, seed=7 * i).resize(8, kernel="linear")
        edges = edges.crop(0, 0, width, height)
        bands.append(128 + 90 * smooth + 0.6 * edges)
    grain = pyvips.Image.gaussnoise(width, height, sigma=3, mean=0, seed=i)
    picture = (bands[0].bandjoin(bands[1:]) + grain).cast("uchar").copy(interpretation="srgb")
    picture.jpegsave(str(file), Q=90, subsample_mode="on")
