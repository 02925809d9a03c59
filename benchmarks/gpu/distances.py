"""How far the functions of a step are from fp32, each on what it is given in the step, and how long each takes."""
import statistics
import time

import torch




def distance(actual, expected):
    """2-norm of the difference in terms of the expected's; infinite where a number is not finite."""
    norm = expected.float().norm()
    off = (actual.float() - expected.float()).norm()
    if not torch.isfinite(off) or not torch.isfinite(norm):
        return float("inf")
    return (off / norm).item() if norm > 0 else off.item()


def results(function, inputs, changing):
    """What a function makes: its first output, which the step goes on with, and what it adds to inputs."""
    before = {i: inputs[i].clone() for i in changing}
    made = function(*inputs)
    first = made[0] if isinstance(made, tuple) else made
    return [first.clone()] + [inputs[i] - before[i] for i in changing]


def copies(inputs, frozen):
    """Inputs that a function may write to, in their own order in memory."""
    return [x if i in frozen else torch.empty_strided(x.size(), x.stride(), dtype=x.dtype, device=x.device).copy_(x) for i, x in enumerate(inputs)]


def seconds(function, inputs, device, repeats=5):
    times = []
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize()
        begin = time.perf_counter()
        function(*inputs)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


class Calls:
    """A probe of a step that looks at each distinct call: of one text, with inputs of the same shapes and types."""

    def __init__(self, step, timed=True):
        self.step, self.timed = step, timed
        self.rows, self.largest = {}, 0.0

    def __call__(self, i, call, inputs):
        key = (call.text, tuple((tuple(x.shape), x.stride(), x.dtype) for x in inputs))
        if key in self.rows:
            self.rows[key]["count"] += 1
            return
        recording, step = self.step.recording, self.step
        frozen = {n for n, id in enumerate(call.inputs) if id in recording.weights}
        function, plain = step.function(call.text), step.plain(call.text)
        mine = copies(inputs, frozen)
        function(*mine)
        changing = [n for n, x in enumerate(inputs) if n not in frozen and x.is_floating_point() and not torch.equal(mine[n], x)]
        wide = [x.float() if x.is_floating_point() else x for x in inputs]
        exact = results(plain, copies(wide, frozen), changing)
        row = {
            "phase": recording.phase(i),
            "layer": recording.layer(call),
            "shape": list(inputs[0].shape),
            "count": 1,
            "bf16": worst(results(function, copies(inputs, frozen), changing), exact),
            "plain_bf16": worst(results(plain, copies(inputs, frozen), changing), exact),
            "fp32": worst(results(function, copies(wide, frozen), changing), exact),
        }
        made = [x for id, x in zip(call.inputs, inputs) if id not in recording.outside and x.numel() > 1 and x.is_floating_point()]
        self.largest = max([self.largest] + [x.float().std().item() for x in made])
        if self.timed:
            mine = copies(inputs, frozen)
            row["ms"] = round(1000 * seconds(function, mine, step.device), 4)
            row["plain_ms"] = round(1000 * seconds(plain, mine, step.device), 4)
        self.rows[key] = row

    def table(self):
        return list(self.rows.values())


def worst(actual, expected):
    return max(distance(a, e) for a, e in zip(actual, expected))
