"""Goldens of priors: key locking by the edit of perfusion-pytorch, and the prompt-aligned gradient by torch's autograd.

usage, from the repository's root: python trainer-runtime/src/test/goldens/prior_goldens.py
Inputs are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import pathlib
import torch
from safetensors.torch import save_file

OUT = pathlib.Path("trainer-runtime/src/test/resources/prior-goldens")
RIDGE = 1e-4


def randn(seed, *shape):
    torch.manual_seed(seed)
    return torch.randn(*shape)


def key_lock():
    """Keys of encodings e, as Rank1EditModule.forward of perfusion-pytorch has them for one concept: what e has of the concept's i in
    the metric of C^-1 goes to the key o. The gate, a sigmoid of the similarity there, is the similarity itself."""
    weight, i, s, e = randn(21, 5, 8), randn(22, 8), randn(23, 8), randn(24, 6, 8)
    texts = randn(25, 40, 8)
    covariance = texts.T.double() @ texts.double()
    c_inv = torch.inverse(covariance + RIDGE * covariance.diagonal().mean() * torch.eye(8)).float()
    energy = torch.einsum("o, o i, i ->", i, c_inv, i)
    sim = torch.einsum("n o, o i, i -> n", e, c_inv, i)
    orthogonal = e @ weight.T - sim[:, None] * (weight @ i)[None] / energy
    one = orthogonal + (sim / energy)[:, None] * (weight @ s)[None]
    # Several concepts: the least change, by the norm of C, that sends each to its own key; found by least squares of the constraints.
    own, classes = torch.stack([i, randn(26, 8)]).double(), torch.stack([s, randn(27, 8)]).double()
    root = torch.linalg.cholesky(torch.inverse(c_inv.double()))
    delta = ((classes - own) @ weight.double().T).T
    change = delta @ torch.linalg.pinv(torch.linalg.solve(root, own.T)) @ torch.inverse(root)
    save_file({"one": one, "two": (e.double() @ (weight.double() + change).T).float()}, OUT / "key-lock.safetensors")


def alignment():
    """The gradient by a prediction of w(t) stop(G^alpha - G_theta^beta) x0(prediction), of which w(t) makes dx0 as long as dprediction."""
    betas = torch.linspace(0.00085 ** 0.5, 0.012 ** 0.5, 1000, dtype=torch.float64) ** 2
    bars = torch.cumprod(1 - betas, 0).float()
    x, noise = randn(32, 2, 4, 3, 3), randn(33, 2, 4, 3, 3)
    target, empty, own, own_empty = (randn(34 + i, 2, 4, 3, 3) for i in range(4))
    t, again, golden = torch.tensor([100, 700]), torch.tensor([400, 900]), {}
    a, s = (v.sqrt().view(2, 1, 1, 1) for v in (bars[t], 1 - bars[t]))
    a2, s2 = (v.sqrt().view(2, 1, 1, 1) for v in (bars[again], 1 - bars[again]))
    for kind in ["epsilon", "v"]:
        p = randn(31, 2, 4, 3, 3).requires_grad_(True)
        x0, w = ((x - s * p) / a, a / s) if kind == "epsilon" else (a * x - s * p, 1 / s)
        noised = a2 * x0 + s2 * noise

        def guided(e, c, scale):
            # As noise, whatever is predicted.
            e, c = (e, c) if kind == "epsilon" else (a2 * e + s2 * noised, a2 * c + s2 * noised)
            return e + scale * (c - e)

        d = (guided(empty, target, 15) - guided(own_empty, own, 7.5)).detach()
        loss = 0.3 * 2 / (36 * 3) * (w * d * x0).sum()
        golden[f"{kind}.gradient"], golden[f"{kind}.noised"] = torch.autograd.grad(loss, p)[0], noised.detach()
    save_file({k: v.contiguous() for k, v in golden.items()}, OUT / "alignment.safetensors")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    key_lock()
    alignment()
