"""Writes the pictures of the example on captions: 20 things and 12 pairs of things in the flat
style of Fluent emoji, on coloured grounds.

usage: flat_style.py ICONS_JSON DATA_JSON OUT CAPTIONS
Input: icons.json of npm's @iconify-json/fluent-emoji-flat and en/data.json of emojibase-data. Output: OUT/<stem>.png, and the
true captions, a line of JSON each, in CAPTIONS; they are those of things/ in true.jsonl, which no training sees but the one
with true captions.
"""
import io
import json
import random
import re
import sys
from pathlib import Path

import resvg_py
from PIL import Image

GROUNDS = {"white": (255, 255, 255), "blue": (120, 170, 255), "green": (150, 220, 150), "pink": (255, 180, 200),
           "yellow": (255, 235, 140), "grey": (190, 190, 190), "purple": (190, 150, 240)}
GROUPS = (0, 3, 4)
SINGLE, PAIRS = 20, 12
SIZE = 128
icons_file, data_file, out, captions = sys.argv[1:5]


def slug(label):
    plain = re.sub("[’':.“”]", "", label.lower()).replace("ñ", "n").replace("&", "and")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


icons = json.load(open(icons_file))
side = icons.get("width", 16)
rng = random.Random(11)
labels = json.load(open(data_file))
known = [e for e in labels if e.get("group") in GROUPS and slug(e["label"]) in icons["icons"]]
lines = []
Path(out).mkdir(parents=True, exist_ok=True)


def drawn(entry, size):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">{icons["icons"][slug(entry["label"])]["body"]}</svg>'
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)))).convert("RGBA")


for number, entry in enumerate(rng.sample(known, SINGLE + PAIRS)):
    ground, colour = rng.choice(list(GROUNDS.items()))
    scene = Image.new("RGBA", (SIZE, SIZE), colour + (255,))
    entries = [entry] if number < SINGLE else [entry, rng.choice(known)]
    for place, one in enumerate(entries):
        size = rng.randint(84, 120) if len(entries) == 1 else rng.randint(52, 64)
        left = rng.randint(0, SIZE // len(entries) - size) + place * SIZE // 2
        scene.alpha_composite(drawn(one, size), (left, rng.randint(0, SIZE - size)))
    stem = f"{number:02}"
    scene.convert("RGB").save(f"{out}/{stem}.png", optimize=True)
    names = [re.sub(r"[^a-z0-9 -]", "", one["label"].lower()) for one in entries]
    lines.append({"file_name": f"{stem}.png", "text": "an emoji of a " + " and a ".join(names) + f" on a {ground} background"})
with open(captions, "w") as file:
    file.writelines(json.dumps(line) + "\n" for line in lines)
