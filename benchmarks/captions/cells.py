"""The data of a cell of benchmarks/captions/run, and its report.

usage: cells.py data true|made|shuffled|empty TRUE_JSONL FOLDER
       cells.py report FOLDER SEEDS
"""
import json
import random
import sys
from pathlib import Path

CELLS = ("true", "made", "shuffled", "empty")


def data(cell, captions, folder):
    texts = {line["file_name"]: line["text"] for line in map(json.loads, open(captions))}
    names = sorted(texts)
    others = names[:]
    random.Random(5).shuffle(others)
    # Nobody keeps its own.
    other = dict(zip(others, others[7:] + others[:7]))
    said = {"true": texts, "shuffled": {n: texts[other[n]] for n in names}, "empty": dict.fromkeys(names, "")}
    for name, text in said.get(cell, {}).items():
        (Path(folder) / name).with_suffix(".txt").write_text(text + "\n")


def value(metrics, name):
    return next(float(m["value"]) for m in metrics if m["name"] == name)


def report(work, seeds):
    names = ("learned", "kept", "score")
    means = {}
    for cell in CELLS:
        rows = []
        for seed in seeds.split(","):
            evaluation = json.load(open(f"{work}/{cell}-{seed}/output/evaluation.json"))
            rows.append([value(evaluation["checkpoints"][-1]["metrics"], name) for name in names])
        means[cell] = [sum(column) / len(rows) for column in zip(*rows)]
    print("| captions | learned | kept | score | share of the gain with true captions |\n|---|---|---|---|---|")
    for cell, row in means.items():
        print(f"| {cell} | " + " | ".join(f"{v:.3f}" for v in row) + f" | {row[2] / means['true'][2]:.2f} |")


{"data": data, "report": report}[sys.argv[1]](*sys.argv[2:])
