"""A recorded training step: its functions, what each is given, and values drawn by a seed."""
import dataclasses
import functools
import gzip
import json
import math

import torch

import attention
import functions

TYPES = {4: torch.int64, 6: torch.float32, 15: torch.bfloat16}


@dataclasses.dataclass
class Call:
    text: int
    inputs: list
    outputs: list
    released: list


@dataclasses.dataclass
class Outer:
    id: int
    at: int
    kind: str
    name: str
    type: int
    shape: list
    strides: list
    values: list = None

    def tensor(self, values, device):
        """Values, fp32, in the tensor's type and order in memory."""
        return torch.empty_strided(self.shape, self.strides, dtype=TYPES[self.type], device=device).copy_(values.reshape(self.shape))


class Recording:
    def __init__(self, file):
        with gzip.open(file, "rt") as text:
            data = json.load(text)
        self.about, self.texts, self.after = data["about"], data["texts"], data["after"]
        self.calls = [Call(**call) for call in data["calls"]]
        self.outers = [Outer(**outer) for outer in data["outers"]]
        self.names = {outer.name: outer.id for outer in self.outers}
        # The loss is what takes the noise last; what takes the moments is the optimizer.
        self.loss = max(i for i, call in enumerate(self.calls) if self.names["noise"] in call.inputs)
        self.optimizer = next(i for i, call in enumerate(self.calls) if self.names["firstMoment"] in call.inputs)
        self.outside = {outer.id for outer in self.outers}
        self.weights = {outer.id for outer in self.outers if outer.kind == "Weight"}

    @property
    def prediction(self):
        return self.calls[self.loss].inputs[0]

    @property
    def noisy(self):
        """What the network is given."""
        return next(call for call in self.calls if self.names["latents"] in call.inputs).outputs[0]

    def phase(self, i):
        if i < self.loss:
            return "forward"
        return "loss" if i == self.loss else "backward" if i < self.optimizer else "optimizer"

    def layer(self, call):
        """The layer that a call is of, by its weights' names; empty for one without."""
        ids = [i for i in call.inputs if i in self.weights]
        if not ids:
            return ""
        names = [next(o.name for o in self.outers if o.id == i).split(".") for i in ids]
        same = 0
        while same < min(map(len, names)) and len({name[same] for name in names}) == 1:
            same += 1
        return ".".join(names[0][:same]) or names[0][0]

    def draw(self, device, seed=0):
        """Values for all outer tensors but the host's, so that activations stay near 1."""
        generator = torch.Generator(device).manual_seed(seed)
        parts = self.about["adapter"]

        def normal(*shape):
            return torch.randn(shape, generator=generator, device=device)

        def values(outer):
            if outer.values is not None:
                return torch.tensor(outer.values, device=device)
            if outer.kind == "Weight":
                if len(outer.shape) > 1:
                    return normal(*outer.shape) / math.sqrt(math.prod(outer.shape[1:]))
                return normal(*outer.shape) * 0.02 + (1 if outer.name.endswith("weight") else 0)
            if outer.name == "parameters":
                scales = [1 / math.sqrt(math.prod(p["shape"][1:])) if p["part"] == "Down" else 0.02 for p in parts]
                return torch.cat([normal(math.prod(p["shape"])) * scale for p, scale in zip(parts, scales)])
            if outer.name == "timeIds":
                side = 8.0 * self.about["side"]
                return torch.tensor([side, side, 0, 0, side, side], device=device)
            if outer.name in ("latents", "noise", "context", "pooled"):
                return normal(*outer.shape)
            return torch.zeros(outer.shape, device=device)

        return {o.id: o.tensor(values(o), device) for o in self.outers if o.kind != "Host"}


def single(tensors):
    """The same values in fp32."""
    return {i: t.float() if t.is_floating_point() else t.clone() for i, t in tensors.items()}


class Step:
    """Runs a recorded step on a device."""

    def __init__(self, recording, device):
        self.recording, self.device = recording, torch.device(device)
        self.hosts = {}
        for outer in recording.outers:
            if outer.kind == "Host":
                self.hosts.setdefault(outer.at, []).append((outer.id, torch.tensor(outer.values, dtype=TYPES[outer.type]).reshape(outer.shape)))

    @functools.cache
    def function(self, text):
        """As a card is given it; on a CPU with the card's branches, and attention in plain torch."""
        source = self.recording.texts[text]
        if self.device.type == "cpu":
            source = attention.plain(source).replace("ops.prim.is_cuda", "ops.plain.is_card")
        return functions.load(source)

    @functools.cache
    def plain(self, text):
        """The same with attention in plain torch, and on a CPU with its own branches."""
        return functions.load(attention.plain(self.recording.texts[text]))

    def compile(self):
        for text in range(len(self.recording.texts)):
            self.function(text)

    @torch.no_grad()
    def run(self, tensors, probe=None, marks=None):
        """
        One step, which changes the states among tensors.

        probe is asked before each call: (its number, call, inputs); marks takes what is recorded where a phase begins.
        Returns the tensors that were there at the end.
        """
        there = dict(tensors)
        recording = self.recording
        for i, call in enumerate(recording.calls):
            if marks is not None and (i == 0 or i in (recording.loss, recording.loss + 1, recording.optimizer)):
                marks.append(torch.cuda.Event(enable_timing=True))
                marks[-1].record()
            for id, values in self.hosts.get(i, ()):
                there[id] = values.to(self.device)
            for id in call.released:
                del there[id]
            inputs = [there[id] for id in call.inputs]
            if probe is not None:
                probe(i, call, inputs)
            outputs = self.function(call.text)(*inputs)
            there.update(zip(call.outputs, outputs if isinstance(outputs, tuple) else (outputs,)))
        return there


CARD = torch.library.Library("plain", "FRAGMENT")
CARD.define("is_card(Tensor x) -> bool")
CARD.impl("is_card", lambda x: True, "CompositeExplicitAutograd")
