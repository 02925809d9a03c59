"""Goldens of LoHa and LoKr, by kohya's formulas written out here: outputs and gradients on the tiny networks that make_goldens.py made, and
runs of ten losses on the bundled model.

usage, from the repository's root: python trainer-runtime/src/test/goldens/lycoris_goldens.py
Inputs and parts are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored. LyCORIS itself is
no reference for all of it: its functional/loha.py takes w1u for w2u, and its LoKr's get_diff_weight scales twice.
"""
import json
import torch, torch.nn.functional as F
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch.nn.utils import parametrize
import adapter_goldens, emoji_goldens
from adapter_goldens import ATTENTION, CONVOLUTION, FEED_FORWARD, NETWORKS, OUT, randn


def factorization(dimension, factor):
    """LyCORIS': the pair, smaller first, that is the most equal with a smaller one of at most factor."""
    if factor > 0 and dimension % factor == 0 and dimension >= factor * factor:
        return factor, dimension // factor
    most = dimension if factor < 0 else factor
    return max(((m, dimension // m) for m in range(1, dimension + 1) if dimension % m == 0 and m <= dimension // m and m <= most))


class Added(torch.nn.Module):
    """W + scale * what the parts make, on the weight of a linear map or a convolution."""

    def __init__(self, weight, parts, scale, make):
        super().__init__()
        self.parts = torch.nn.ParameterDict(parts)
        self.scale, self.make, self.shape = scale, make, weight.shape

    def forward(self, weight):
        return weight + self.scale * self.make(self.parts).reshape(self.shape)


def loha(weight, i, rank, alpha, zero=False):
    out, columns = weight.shape[0], weight[0].numel()
    parts = dict(w1_a=randn(1000 + i, out, rank) * 0.1, w1_b=randn(2000 + i, rank, columns),
                 w2_a=randn(3000 + i, out, rank) * (0 if zero else 0.3), w2_b=randn(4000 + i, rank, columns))
    return Added(weight, parts, alpha / rank, lambda p: (p["w1_a"] @ p["w1_b"]) * (p["w2_a"] @ p["w2_b"]))


def lokr(weight, i, rank, alpha, factor=-1, both=False, zero=False):
    """both: whether w1 is a product too where the rank is below half of its greater side (LyCORIS' decompose_both)."""
    (l, k), (m, n) = factorization(weight.shape[0], factor), factorization(weight.shape[1], factor)
    columns = n * weight[0][0].numel()
    parts, scale = {}, 1.0
    if both and rank < max(l, m) / 2:
        parts |= dict(w1_a=randn(1000 + i, l, rank) * 0.5, w1_b=randn(2000 + i, rank, m) * 0.5)
        scale = alpha / rank
    else:
        parts |= dict(w1=randn(1000 + i, l, m) * 0.3)
    if rank < max(k, n) / 2:
        parts |= dict(w2_a=randn(3000 + i, k, rank) * 0.5, w2_b=randn(4000 + i, rank, columns) * (0 if zero else 0.5))
        scale = alpha / rank
    else:
        parts |= dict(w2=randn(3000 + i, k, columns) * (0 if zero else 0.2))

    def make(p):
        w1 = p["w1"] if "w1" in p else p["w1_a"] @ p["w1_b"]
        w2 = p["w2"] if "w2" in p else p["w2_a"] @ p["w2_b"]
        return torch.kron(w1, w2)
    return Added(weight, parts, scale, make)


def adapt(unet, wanted, kind):
    found = [(n, m) for n, m in sorted(unet.named_modules()) if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d)) and wanted(n)]
    for i, (path, module) in enumerate(found):
        parametrize.register_parametrization(module, "weight", kind(module.weight, i))
    return dict(found)


def chosen(path):
    """Of each kind of module some, of both ends of the network: the files stay small."""
    return path.endswith(tuple(ATTENTION + FEED_FORWARD + CONVOLUTION)) and (
        path.startswith("mid_block.") or path.endswith(("samplers.0.conv", "conv_shortcut")))


def case(name, network, kind):
    unet = UNet2DConditionModel.from_pretrained(NETWORKS / network)
    unet.requires_grad_(False)
    found = adapt(unet, chosen, kind)
    y = unet(randn(1, 2, 4, 8, 16), torch.tensor([3.0, 731.0]), randn(2, 2, 7, unet.config.cross_attention_dim)).sample
    loss = F.mse_loss(y, randn(3, *y.shape))
    loss.backward()
    g = {"output": y, "loss": loss}
    for path, module in found.items():
        g |= {f"{path}.grad.{part}": p.grad for part, p in module.parametrizations.weight[0].parts.items()}
    save_file({k: v.detach().contiguous().clone() for k, v in g.items()}, OUT / f"{name}.safetensors")
    print(name, len(found), "projections")


def losses(kind):
    def adapted(unet):
        adapt(unet, lambda n: n.endswith(("to_k", "to_q", "to_v", "to_out.0")), kind)
        return {n: p for n, p in unet.named_parameters() if ".parts." in n}
    return emoji_goldens.losses(adapt=adapted)


if __name__ == "__main__":
    for network in ("unet-a", "unet-bb"):
        case(f"loha-{network}", network, lambda w, i: loha(w, i, 2, 1))
        case(f"lokr-{network}", network, lambda w, i: lokr(w, i, 2, 1))
        case(f"lokr-whole-{network}", network, lambda w, i: lokr(w, i, 1000, 3, factor=4))
        case(f"lokr-both-{network}", network, lambda w, i: lokr(w, i, 1, 0.7, factor=4, both=True))
    runs = dict(LoHa=losses(lambda w, i: loha(w, i, 4, 2, zero=True)), LoKr=losses(lambda w, i: lokr(w, i, 2, 1, factor=8, zero=True)))
    (emoji_goldens.OUT / "lycoris.json").write_text(json.dumps(runs, indent=1) + "\n")
