"""Writes the data that rates are chosen on: a police car on grounds of five colours and eight smileys, of Fluent Emoji (MIT, © Microsoft).

usage: other_data.py ICONS OUT

ICONS is icons.json of the npm package @iconify-json/fluent-emoji; needs resvg_py and pillow.
"""
import io, json, pathlib, sys
from PIL import Image
import resvg_py

GROUNDS = dict(blue=(64, 120, 216), green=(88, 176, 88), yellow=(248, 208, 72), pink=(240, 150, 190), grey=(150, 150, 150))
SMILEYS = ["grinning face", "winking face", "thinking face", "crying face", "pouting face", "sleeping face", "nerd face", "kissing face"]
SIZE = 128

icons = json.loads(pathlib.Path(sys.argv[1]).read_text())
out = pathlib.Path(sys.argv[2])


def drawn(name, size):
    body, width = icons["icons"][name.replace(" ", "-")]["body"], icons.get("width", 32)
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {width} {width}">{body}</svg>'
    return Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)))).convert("RGBA")


def save(folder, stem, ground, picture, place, caption):
    (out / folder).mkdir(parents=True, exist_ok=True)
    scene = Image.new("RGBA", (SIZE, SIZE), ground + (255,))
    scene.alpha_composite(picture, place)
    scene.convert("RGB").save(out / folder / f"{stem}.png")
    (out / folder / f"{stem}.txt").write_text(caption + "\n")


for k, (name, ground) in enumerate(list(GROUNDS.items()) * 2):
    size = 80 + 4 * k
    save("car", f"car-{k}", ground, drawn("police car", size), (k * 7 % (SIZE - size + 1), k * 11 % (SIZE - size + 1)), f"a police car on a {name} background")
for name in SMILEYS:
    save("smileys", name.replace(" ", "-"), (255, 255, 255), drawn(name, SIZE), (0, 0), f"an emoji of a {name}")
