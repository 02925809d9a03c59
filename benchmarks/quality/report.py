"""Tables and a grid of pictures of the cells that are done: results.md and pictures.jpg beside the folder `cells`."""
import json, pathlib, re, statistics, sys
from PIL import Image, ImageDraw
from safetensors.torch import load_file

import methods

# Where the evaluation's samples.png has its pictures, a row a prompt, the last at the bottom (sample/PictureGrid.java).
GAP, CAPTION, CELL = 8, 26, 256
SHOWN, ROWS = 112, 4
ALIGNMENT = "trainingImageAlignment"


def read(out):
    """The cells by (data, side), in the order of their seeds."""
    cells = {}
    for file in sorted((out / "cells").glob("*.json")):
        cell = json.loads(file.read_text())
        cells.setdefault((cell["data"], cell["side"]), []).append(cell)
    for group in cells.values():
        group.sort(key=lambda cell: cell["seed"])
    return cells


def metrics(cells):
    """What was measured, by its words: all that evaluation.json has of the first cell."""
    measured = next(iter(cells.values()))[0]["base"]
    return {name: re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in measured if name != "step"}


def spread(values):
    """Mean, and standard deviation between seeds."""
    return f"{statistics.mean(values):.4f}" + (f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else "")


def difference(pairs):
    """Mean over data sets of the difference of the sides' means, with its standard error; a pair holds the sides' values by seed."""
    text = f"{statistics.mean(statistics.mean(ours) - statistics.mean(theirs) for ours, theirs in pairs):+.4f}"
    if min(len(side) for pair in pairs for side in pair) > 1:
        error = sum(statistics.variance(side) / len(side) for pair in pairs for side in pair) ** 0.5 / len(pairs)
        text += f" ± {error:.4f}"
    return text


def write(out):
    cells = read(out)
    both = [d for d in dict.fromkeys(d for d, _ in cells) if (d, "trainer") in cells and (d, "peft") in cells]
    lines = [facts(cells), ""]
    if both:
        lines += last_step(cells, both) + [""]
    lines += beside_lora(cells) + [""] + course(cells) + [""] + same_draws(out, cells)
    (out / "results.md").write_text("\n".join(lines) + "\n")
    if both:
        grid(out, cells, both)
    if any(side not in ("trainer", "peft", "peft-same") for _, side in cells):
        sides_grid(out, cells)


def facts(cells):
    every = [c for group in cells.values() for c in group]
    if not every:
        return "No cell is done."
    peer = next((c["peer"] for c in every if c["peer"]), {})
    dates, threads, commits, pictures = (sorted({str(c[k]) for c in every}) for k in ("date", "threads", "commit", "pictures"))
    rates = sorted({f"{c['training']['optimizer']['learningRate']:g}" for c in every if "optimizer" in c["training"]})
    seeds = "; ".join(f"{data} {side} {', '.join(str(c['seed']) for c in group)}" for (data, side), group in cells.items())
    return (
        f"{', '.join(dates)}; seeds: {seeds}; trainer at {', '.join(commits)}, {', '.join(f'{k} {peer[k]}' for k in ('torch', 'diffusers', 'peft') if k in peer)}; "
        f"{' and '.join(threads)} thread(s) on {every[0]['cores']} cores, {len(every)} cells in {sum(c['seconds'] for c in every) / 60:.0f} minutes, "
        f"rate {' and '.join(rates)}, {', '.join(pictures)} pictures a measure, rollbacks {sum(len(c['rollbacks']) for c in every)}"
    )


def last_step(cells, both):
    steps = cells[both[0], "trainer"][0]["checkpoints"][-1]["step"]
    lines = [f"| step {steps} | | base model | trainer | peft | trainer - peft |", "|---|---|---|---|---|---|"]
    last = lambda data, metric: [[c["checkpoints"][-1][metric] for c in cells[data, side]] for side in ("trainer", "peft")]
    for data in both:
        for metric, name in metrics(cells).items():
            ours, theirs = last(data, metric)
            lines.append(f"| {data} | {name} | {cells[data, 'trainer'][0]['base'][metric]:.4f} | {spread(ours)} | {spread(theirs)} | {difference([(ours, theirs)])} |")
    for metric, name in metrics(cells).items():
        lines.append(f"| all | {name} | | | | {difference([last(data, metric) for data in both])} |")
    return lines


def beside_lora(cells):
    """Each method's last step beside plain LoRA's on the same captions; of a gain, the share of LoRA's."""
    lines = ["| last step | method | seeds | score | learned | kept | training-image alignment | diversity | score - LoRA's | score - peft LoRA's | gain of alignment / LoRA's |", "|---" * 11 + "|"]
    for (data, side), group in cells.items():
        theirs, ours = ("peft-named", "named") if methods.named(side) else ("peft", "trainer")
        lora = cells.get((data, ours)) or cells.get((data, theirs))
        peft = cells.get((data, theirs))
        values = lambda of, metric: [c["checkpoints"][-1][metric] for c in of]
        gain = lambda of: statistics.mean(values(of, ALIGNMENT)) - of[0]["base"][ALIGNMENT]
        beside = [difference([(values(group, "score"), values(lora, "score"))]), f"{gain(group) / gain(lora):.2f}"] if lora and lora is not group else ["", ""]
        beside.insert(1, difference([(values(group, "score"), values(peft, "score"))]) if peft and peft is not group else "")
        shown = [spread(values(group, metric)) for metric in ("score", "learned", "kept", ALIGNMENT, "diversity")]
        lines.append(f"| {data} | {side} | {len(group)} | " + " | ".join(shown + beside) + " |")
    return lines


def course(cells):
    if not cells:
        return []
    steps = [c["step"] for c in next(iter(cells.values()))[0]["checkpoints"]]
    lines = ["| score | | step 0 | " + " | ".join(map(str, steps)) + " | least over step 0 |", "|---" * (len(steps) + 4) + "|"]
    for (data, side), group in cells.items():
        if side == "peft-same":
            continue
        base = group[0]["base"]["score"]
        values = [[c["checkpoints"][i]["score"] for c in group] for i in range(len(steps))]
        lines.append(f"| {data} | {side} | {base:.3f} | " + " | ".join(f"{statistics.mean(v):.3f}" for v in values) + f" | {min(map(min, values)) - base:+.3f} |")
    return lines


def same_draws(out, cells):
    lines = ["| same draws, last step | seed | ‖adapter - peft's‖ / ‖peft's‖ | greatest difference of a metric | of them in |", "|---|---|---|---|---|"]
    for (data, side), group in cells.items():
        for cell in group if side == "peft-same" else []:
            ours = next((c for c in cells.get((data, "trainer"), []) if c["seed"] == cell["seed"]), None)
            if ours:
                gap, metric = max((abs(ours["checkpoints"][-1][m] - cell["checkpoints"][-1][m]), name) for m, name in metrics(cells).items())
                lines.append(f"| {data} | {cell['seed']} | {distance(adapter(out, ours), adapter(out, cell)):.1e} | {gap:.6f} | {metric} |")
    return lines


def adapter(out, cell):
    """The factors of the last checkpoint by their names."""
    return load_file(work(out, cell) / "train" / "checkpoints" / f"step-{cell['checkpoints'][-1]['step']:06}" / "diffusers" / "pytorch_lora_weights.safetensors")


def distance(ours, theirs):
    squares = lambda tensors: sum(t.double().square().sum().item() for t in tensors)
    return (squares(ours[n] - t for n, t in theirs.items()) / squares(theirs.values())) ** 0.5


def work(out, cell):
    return out / "work" / f"{cell['data']}-{cell['side']}-{cell['seed']}"


def picture(out, cell, row, column):
    sheet = Image.open(work(out, cell) / "output" / "samples.png")
    left, top = GAP + column * (CELL + GAP), sheet.height - (cell["pictures"] - row) * (CAPTION + CELL + GAP) + CAPTION
    return sheet.crop((left, top, left + CELL, top + CELL)).resize((SHOWN, SHOWN), Image.LANCZOS)


def grid(out, cells, both):
    """Rows of prompts by data set; columns: base model, the trainer's checkpoints, peft's last; all of the first seed."""
    steps = [c["step"] for c in cells[both[0], "trainer"][0]["checkpoints"]]
    labels = ["base model"] + [f"trainer, step {s}" for s in steps] + [f"peft, step {steps[-1]}"]
    sheet = Image.new("RGB", (len(labels) * (SHOWN + 4) + 4, 20 + len(both) * (ROWS * (SHOWN + 4) + 16)), "white")
    draw = ImageDraw.Draw(sheet)
    for c, label in enumerate(labels):
        draw.text((4 + c * (SHOWN + 4), 4), label, fill="black")
    for d, data in enumerate(both):
        top = 20 + d * (ROWS * (SHOWN + 4) + 16)
        draw.text((4, top), data, fill="black")
        ours, theirs = cells[data, "trainer"][0], cells[data, "peft"][0]
        for r in range(ROWS):
            row = r * ours["pictures"] // ROWS
            columns = [picture(out, ours, row, c) for c in range(len(steps) + 1)] + [picture(out, theirs, row, len(steps))]
            for c, image in enumerate(columns):
                sheet.paste(image, (4 + c * (SHOWN + 4), top + 14 + r * (SHOWN + 4)))
    sheet.save(out / "pictures.jpg", quality=88)


def sides_grid(out, cells):
    """Rows of prompts by data set; columns: base model, then each side's last checkpoint; all of the first seed."""
    sides = list(dict.fromkeys(side for _, side in cells if side != "peft-same"))
    sets = list(dict.fromkeys(data for data, _ in cells))
    sheet = Image.new("RGB", ((len(sides) + 1) * (SHOWN + 4) + 4, 20 + len(sets) * (ROWS * (SHOWN + 4) + 16)), "white")
    draw = ImageDraw.Draw(sheet)
    for c, label in enumerate(["base model"] + sides):
        draw.text((4 + c * (SHOWN + 4), 4), label, fill="black")
    for d, data in enumerate(sets):
        top = 20 + d * (ROWS * (SHOWN + 4) + 16)
        draw.text((4, top), data, fill="black")
        for c, side in enumerate([None] + sides):
            group = next((g for (of, _), g in cells.items() if of == data), None) if side is None else cells.get((data, side))
            for r in range(ROWS if group else 0):
                column = 0 if side is None else len(group[0]["checkpoints"])
                image = picture(out, group[0], r * group[0]["pictures"] // ROWS, column)
                sheet.paste(image, (4 + c * (SHOWN + 4), top + 14 + r * (SHOWN + 4)))
    sheet.save(out / "methods.jpg", quality=88)


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/quality/target"))
