"""Goldens of optimizers and of the moving average: python optimizer_goldens.py, from the repository's root.

Writes trainer-runtime/src/test/resources/training-goldens/optimizers.json: ten losses and the parameters after them, by the
packages that people use (transformers, lion-pytorch, schedulefree, prodigy-plus-schedule-free, came-pytorch, prodigyopt,
diffusers), and for AdamW8bit by a NumPy program of bitsandbytes' block-wise quantised step, which needs a GPU itself. The
loss is 0.5 sum(w (p - c)^2) over four tensors, with torch.randn of known seeds, which the Java side draws bit for bit.
"""
import json, pathlib, warnings
import numpy as np
import torch
from came_pytorch import CAME
from diffusers.training_utils import EMAModel
from lion_pytorch import Lion
from prodigyopt import Prodigy
from prodigyplus import ProdigyPlusScheduleFree
from schedulefree import AdamWScheduleFree
from transformers.optimization import Adafactor

warnings.filterwarnings("ignore")
OUT = pathlib.Path("trainer-runtime/src/test/resources/training-goldens/optimizers.json")
SHAPES = [(4, 12), (7,), (2, 3, 5), (60, 70)]
STEPS = 10


def randn(seed, *shape):
    torch.manual_seed(seed)
    return torch.randn(*shape)


def tensors(seed):
    """Four tensors, as parts of one array."""
    sizes = [int(np.prod(s)) for s in SHAPES]
    return [part.reshape(shape).clone() for part, shape in zip(randn(seed, sum(sizes)).split(sizes), SHAPES)]


def kept(parameters):
    """All of the small tensors and each hundredth of the last."""
    flat = torch.cat([p.detach().flatten() for p in parameters])
    return flat[:85].tolist() + flat[85::100].tolist()


def run(make, rate, output=None, after=None, steps=STEPS):
    """Losses before each step, parameters after the last one, and those that are put out."""
    parameters = [torch.nn.Parameter(p) for p in tensors(1)]
    centres, weights = tensors(2), [w ** 2 for w in tensors(3)]
    optimizer = make(parameters)
    losses = []
    for k in range(steps):
        loss = 0
        for p, c, w in zip(parameters, centres, weights):
            d = p.detach() - 3 * c
            p.grad = w * d
            loss += 0.5 * (w * d * d).sum().item()
        losses.append(loss)
        if rate is not None:
            for group in optimizer.param_groups:
                group["lr"] = rate(k)
        optimizer.step()
        if after:
            after(parameters)
    found = {"losses": losses, "parameters": kept(parameters)}
    if output:
        optimizer.eval()
        found["output"] = kept(parameters)
    if "d" in optimizer.param_groups[0]:
        found["d"] = optimizer.param_groups[0]["d"]
    return found


class AdamW8bit:
    """Blocks of 256 with one absmax each and a code of 8 bits a number; tensors under 4096 numbers keep fp32 states."""

    def __init__(self, parameters, lr, betas, eps, weight_decay):
        self.p, self.betas, self.eps, self.decay, self.k = parameters, betas, eps, weight_decay, 0
        self.param_groups = [{"lr": lr}]
        self.signed, self.unsigned = self.code(True), self.code(False)
        assert abs(self.signed[0] + 0.99296874) < 1e-7 and self.signed[127] == 0 and self.signed[255] == 1
        assert abs(self.signed[128] - 5.5e-7) < 1e-12 and abs(self.unsigned[1] - 3.25e-7) < 1e-12
        assert abs(np.abs(self.signed.astype(np.float64)).sum() - 75.105263) < 1e-4
        assert abs(self.unsigned.astype(np.float64).sum() - 75.105263) < 1e-4
        self.state = {}

    @staticmethod
    def code(signed):
        values = [0.0, 1.0]
        for i in range(7):
            n = 2 ** i if signed else 2 ** (i + 1)
            edges = np.linspace(0.1, 1, n + 1)
            means = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (i - 6)
            values += list(means) + ([-x for x in means] if signed else [])
        assert len(values) == 256
        return np.sort(np.array(values)).astype(np.float32)

    def blocks(self, x):
        pad = -len(x) % 256
        return np.concatenate([x, np.zeros(pad, np.float32)]).reshape(-1, 256)

    def quantise(self, x, code, sign):
        rows = self.blocks(x)
        absmax = np.abs(rows).max(1, keepdims=True)
        scaled = rows / np.where(absmax > 0, absmax, 1).astype(np.float32)
        near = np.abs(scaled[..., None] - code).argmin(-1)
        if sign:
            near = np.where((rows < 0) & (code[near] == 0), near - 1, near)
        return near.astype(np.uint8), absmax

    def dequantise(self, stored, code, n):
        codes, absmax = stored
        return (code[codes] * absmax).reshape(-1)[:n].astype(np.float32)

    def step(self):
        self.k += 1
        lr, (b1, b2) = self.param_groups[0]["lr"], self.betas
        c1, c2 = 1 - b1 ** self.k, np.sqrt(1 - b2 ** self.k)
        for i, tensor in enumerate(self.p):
            p, g = tensor.detach().numpy().reshape(-1).copy(), tensor.grad.numpy().reshape(-1)
            n, large = len(p), len(p) >= 4096
            if i not in self.state:
                m, v = np.zeros(n, np.float32), np.zeros(n, np.float32)
            elif large:
                m, v = (self.dequantise(s, c, n) for s, c in zip(self.state[i], [self.signed, self.unsigned]))
            else:
                m, v = self.state[i]
            whole = np.isfinite(g)
            m = np.where(whole, np.float32(b1) * m + np.float32(1 - b1) * g, 0).astype(np.float32)
            v = np.where(whole, np.float32(b2) * v + np.float32(1 - b2) * g * g, 0).astype(np.float32)
            moved = p - np.float32(lr * c2 / c1) * m / (np.sqrt(v) + np.float32(self.eps * c2))
            moved = moved * np.float32(1 - lr * self.decay)
            p = np.where(whole, moved, p).astype(np.float32)
            self.state[i] = (self.quantise(m, self.signed, True), self.quantise(v, self.unsigned, False)) if large else (m, v)
            tensor.data.copy_(torch.from_numpy(p).reshape(tensor.shape))


def warm(peak):
    return lambda k: peak * min(1, k / 4)


def average():
    """EMAModel of decay 0.6 over parameters that AdamW moves."""
    model = []

    def after(parameters):
        model[0].step(parameters)

    def make(parameters):
        model.append(EMAModel(parameters, decay=0.6))
        return torch.optim.AdamW(parameters, lr=0.05, weight_decay=0.01)

    found = run(make, None, after=after)
    return found | {"output": kept(model[0].shadow_params)}


def main():
    quiet = dict(factored=False, use_stableadamw=False, d_limiter=False)
    values = {
        "AdamW8bit": run(lambda p: AdamW8bit(p, 0.05, (0.9, 0.999), 1e-8, 0.01), warm(0.05)),
        "Adafactor": run(lambda p: Adafactor(p, lr=0.05, weight_decay=0.01, scale_parameter=False, relative_step=False), warm(0.05)),
        "Lion": run(lambda p: Lion(p, lr=0.05, betas=(0.9, 0.99), weight_decay=0.02), warm(0.05)),
        "ScheduleFreeAdamW": run(free, warm(0.05), output=True),
        "ProdigyScheduleFree": run(lambda p: ProdigyPlusScheduleFree(p, lr=1.0, weight_decay=0.01, d_coef=2.0, **quiet), None, output=True, steps=40),
        "CAME": run(lambda p: CAME(p, lr=0.05, weight_decay=0.01), warm(0.05)),
        "Prodigy": run(lambda p: Prodigy(p, lr=1.0, betas=(0.9, 0.99), weight_decay=0.01, d_coef=2.0, growth_rate=1.3,
                                        use_bias_correction=True, safeguard_warmup=True), None, steps=40),
        "average": average(),
    }
    text = json.dumps(json.loads(json.dumps(values), parse_float=lambda x: float(f"{float(x):.9g}")))
    OUT.write_text(text.replace("], ", "],\n").replace('": ', '":\n') + "\n")
    for name, found in values.items():
        print(name, found["losses"][0], found["losses"][-1], found.get("d"))


def free(parameters):
    optimizer = AdamWScheduleFree(parameters, lr=0.05, weight_decay=0.01)
    optimizer.train()
    return optimizer


if __name__ == "__main__":
    main()
