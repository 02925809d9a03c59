"""Makes src/test/resources/segment-scenes: scenes of one or two emoji on coloured grounds, as the bundled CLIPSeg was trained
on, each with the mask of one thing in it. The emoji are Noto's (Apache-2.0). From the repository's root:

    python -m venv env && env/bin/pip install numpy pillow==13.0.0 resvg_py && npm pack @iconify-json/noto
    mkdir noto && tar xzf iconify-json-noto-*.tgz -C noto
    env/bin/python trainer-runtime/src/test/goldens/scene_goldens.py noto
"""
import io, json, os, random, shutil, sys
import numpy as np, resvg_py
from PIL import Image

OUT = "trainer-runtime/src/test/resources/segment-scenes"
GROUNDS = {"white": (255, 255, 255), "blue": (120, 170, 255), "green": (150, 220, 150), "pink": (255, 180, 200), "yellow": (255, 235, 140), "grey": (190, 190, 190)}
THINGS = ["cat-face", "red-apple", "frog", "octopus", "pizza", "panda", "strawberry", "pig-face", "penguin", "tomato", "grapes", "owl"]

icons = json.load(open(f"{sys.argv[1]}/package/icons.json"))
width, height = icons.get("width", 16), icons.get("height", 16)
shutil.rmtree(OUT, ignore_errors=True)
os.makedirs(OUT)
random.seed(15)


def draw(name):
    icon = icons["icons"][name]
    w, h = icon.get("width", width), icon.get("height", height)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {w} {h}" width="256" height="256">{icon["body"]}</svg>'
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=256, height=256)))).convert("RGBA")


names = [n for n in THINGS if n in icons["icons"]]
for i, name in enumerate(names):
    two = i % 2 == 1
    picture = Image.new("RGBA", (128, 128), GROUNDS[random.choice(list(GROUNDS))] + (255,))
    mask = Image.new("L", (128, 128))
    for k, thing in enumerate([name, names[(i + 5) % len(names)]] if two else [name]):
        size = random.randint(48, 66) if two else random.randint(60, 120)
        drawn = draw(thing).resize((size, size), Image.LANCZOS)
        at = (k * 64 + random.randint(-4, 68 - size) if two else random.randint(0, 128 - size), random.randint(0, 128 - size))
        picture.alpha_composite(drawn, (max(at[0], 0), at[1]), (max(-at[0], 0), 0))
        if k == 0:
            mask.paste(drawn.getchannel("A"), at)
    stem = f"{OUT}/{name.replace('-', ' ')}"
    picture.convert("RGB").save(f"{stem}.png", optimize=True)
    mask.save(f"{stem}-mask.png", optimize=True)
