"""Metrics of evaluation.json computed with numpy alone, from random vectors and pictures.

    python metrics_goldens.py ../resources/metrics-goldens

Nothing of the trainer is used: the definitions are those of evaluation.json and docs/decisions/0013 and 0022.
"""
import base64
import json
import struct
import sys
from pathlib import Path

import numpy as np

OUT = Path(sys.argv[1])
D, M, H, N = 16, 7, 3, 11
OWN, OTHERS = list(range(7)), [7, 8, 9, 10]
SEED, REPLICATES = 42, 1000
rng = np.random.default_rng(7)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def float32(x):
    return np.asarray(x, np.float32).astype(np.float64)


# A world in which pictures follow texts in part, and the checkpoint's are pulled to the training pictures.
style = unit(rng.normal(size=D))
text_of = unit(rng.normal(size=(N, D)) + 0.8 * rng.normal(size=D))
captions = unit(rng.normal(size=(M, D)) + 0.8 * rng.normal(size=D))
training = unit(0.9 * captions + 0.7 * style + 0.25 * rng.normal(size=(M, D)))
held_out = unit(0.9 * rng.normal(size=(H, D)) / np.sqrt(D) + 0.7 * style + 0.2 * rng.normal(size=(H, D)))
base = unit(text_of + 0.25 * rng.normal(size=(N, D)))
pictures = unit(0.8 * text_of + 0.55 * style + 0.25 * rng.normal(size=(N, D)))
texts = ["prompt %d" % i for i in range(N)]
texts[5], text_of[5] = texts[4], text_of[4]  # two seeds of one prompt

head = [(float32(rng.normal(size=(5, D))), float32(rng.normal(size=5))), (float32(rng.normal(size=(1, 5))), float32([5.0]))]


def aesthetic(v, relu):
    for i, (w, b) in enumerate(head):
        v = v @ w.T + b
        if relu and i < len(head) - 1:
            v = np.maximum(v, 0)
    return v[:, 0]


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * rng.uniform(0, 0.3) + y * rng.uniform(0, 0.3) + rng.uniform(0, 6)) for _ in range(3)]
    return np.clip(127 + 90 * np.stack(waves, -1) + rng.normal(size=(height, width, 3)) * 4, 0, 255).astype(np.uint8)


training_pictures = [picture(w, h) for w, h in [(64, 64), (45, 33), (32, 80), (64, 48), (33, 33), (100, 20), (64, 64)]]
drawn = [picture(64, 64) for _ in range(7)]
noise = rng.normal(size=training_pictures[2].shape) * 6
drawn[1] = np.clip(training_pictures[2] + noise, 0, 255).astype(np.uint8)
drawn[4] = training_pictures[3][:, ::-1].copy()
pictures[1], pictures[4] = unit(training[2] + 0.05 * rng.normal(size=D)), unit(training[3] + 0.05 * rng.normal(size=D))


def weights(size, cells=32):
    """How much of each pixel lies in each cell, rows that sum to 1."""
    edges = np.arange(cells + 1) * size / cells
    pixels = np.arange(size)
    part = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    part = np.clip(part, 0, None)
    return part / part.sum(1, keepdims=True)


def thumbnail(rgb):
    h, w, _ = rgb.shape
    return np.einsum("yh,hwc,xw->yxc", weights(h), rgb / 255.0, weights(w))


def distance(a, b):
    return min(np.sqrt(np.mean((a - b) ** 2)), np.sqrt(np.mean((a - b[:, ::-1]) ** 2)))


def share(value, zero, one):
    return 1 - min(1, max(0, (one - value) / max(one - zero, 0.05)))


def alignment(v, centre):
    return np.mean(v @ centre / np.linalg.norm(v, axis=1) / np.linalg.norm(centre))


def slope(v, t):
    p, a = v - v.mean(0), t - t.mean(0)
    return np.sum(p * a) / np.sum(a * a)


def alike(t):
    return np.mean(np.sum((t - t.mean(0)) ** 2, 1)) < 1e-3


small = [thumbnail(p) for p in training_pictures]
DISTANCE, SHARE = 0.09, 0.4
others_of = lambda f, pick: np.median([pick(f(i, j) for j in range(M) if j != i) for i in range(M)])
max_distance = min(DISTANCE, SHARE * others_of(lambda i, j: distance(small[i], small[j]), min))
min_cosine = others_of(lambda i, j: training[i] @ training[j], max)
nearest = []
for i, rgb in enumerate(drawn):
    cos = training @ pictures[i]
    apart = np.array([distance(thumbnail(rgb), s) for s in small])
    nearest.append({"byClip": int(cos.argmax()), "cosine": float(cos.max()), "byPixels": int(apart.argmin()),
                    "distance": float(apart.min()), "memorised": bool(apart.min() <= max_distance)})
copied = np.full(N, np.nan)
copied[OWN] = [n["memorised"] for n in nearest]


def gap(v):
    return (v @ training.T).mean(1) - (v @ held_out.T).mean(1)


def pairs(v, chosen):
    """Mean cosine of all pairs of different pictures."""
    c = v @ v.T
    different = np.not_equal.outer(chosen, chosen)
    return c[np.ix_(chosen, chosen)][different].mean() if different.any() else 1.0


centre = training.sum(0)
one = np.mean([training[i] @ (centre - training[i]) / np.linalg.norm(centre - training[i]) for i in range(M)])
most = slope(training, captions)
W = {"learned": 2.0, "kept": 1.0, "aesthetic": 0.5, "diversity": 0.25, "original": 1.0, "general": 0.75}
training_aesthetic = aesthetic(training, False).mean()
among = (np.sum(centre * centre) - M) / (M * (M - 1))
training_gap = among - (training @ held_out.T).mean()


def measure(own, others, weighted):
    own, others = np.array(own), np.array(others)
    learned = share(alignment(pictures[own], centre), alignment(base[own], centre), one)

    def kept_of(chosen, limit):
        if len(chosen) == 0:
            return 1.0
        return share(max(0, slope(pictures[chosen], text_of[chosen])), 0, max(0, min(slope(base[chosen], text_of[chosen]), limit)))

    if alike(text_of[own]) or alike(text_of[others]):
        return None
    kept = min(kept_of(own, most), kept_of(others, np.inf))
    m = {
        "learned": learned,
        "kept": kept,
        "textAlignment": np.mean(np.sum(pictures[own] * text_of[own], 1)),
        "trainingImageAlignment": (pictures[own] @ training.T).mean(),
        "styleAlignment": pictures[own].sum(0) @ centre / np.linalg.norm(pictures[own].sum(0)) / np.linalg.norm(centre),
        "diversity": 1 - pairs(pictures, own),
        "aesthetic": aesthetic(pictures[own], False).mean(),
        "memorised": copied[own].mean(),
        "heldOutAlignment": (pictures[own] @ held_out.T).mean(),
        "overfit": gap(pictures[own]).mean(),
    }
    shares = {
        "learned": learned,
        "kept": kept,
        "aesthetic": share(m["aesthetic"], 0, min(aesthetic(base[own], False).mean(), training_aesthetic)),
        "diversity": share(m["diversity"], 0, min(1 - pairs(base, own), 1 - among)),
        "original": 1 - m["memorised"],
        "general": share(-m["overfit"], -training_gap, -gap(base[own]).mean()),
    }
    used = W if weighted else {"learned": 1.0, "kept": 1.0}
    m["score"] = 0.0 if min(shares[k] for k in used) <= 0 else sum(used.values()) / sum(w / shares[k] for k, w in used.items())
    return m


class SplitMix:
    """Steele et al. 2014, as java.util.SplittableRandom has it."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def again(self, items):
        return [items[(self.next() >> 1) % len(items)] for _ in items]


def intervals():
    random, drawn = SplitMix(SEED), []
    for _ in range(REPLICATES):
        own, others = random.again(OWN), random.again(OTHERS)
        measured = measure(own, others, True)
        if measured is not None:
            drawn.append(measured)
    return {k: list(np.quantile([d[k] for d in drawn], [0.025, 0.975])) for k in drawn[0]}


def pack(rgb):
    return {"width": rgb.shape[1], "height": rgb.shape[0], "rgb": base64.b64encode(rgb.tobytes()).decode()}


def safetensors(path, tensors):
    header, body = {}, b""
    for name, value in tensors.items():
        data = np.asarray(value, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


safetensors(OUT / "head.safetensors", {f"layers.{i}.{n}": v for i, (w, b) in zip((0, 2), head) for n, v in (("weight", w), ("bias", b))})
(OUT / "values.json").write_text(json.dumps({
    "own": OWN, "others": OTHERS, "texts": texts, "seed": SEED, "weights": W,
    "vectors": {k: v.tolist() for k, v in dict(training=training, captions=captions, heldOut=held_out, texts=text_of, base=base, pictures=pictures).items()},
    "trainingPictures": [pack(p) for p in training_pictures], "drawn": [pack(p) for p in drawn],
    "expected": {"metrics": measure(OWN, OTHERS, False), "weightedScore": measure(OWN, OTHERS, True)["score"],
                 "aestheticRelu": aesthetic(pictures, True).tolist(), "nearest": nearest, "maxDistance": max_distance,
                 "minCosine": float(min_cosine), "intervals": intervals()},
}, default=float))
