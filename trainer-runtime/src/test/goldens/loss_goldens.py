"""Goldens of losses beside that of the prediction: gradients by torch's autograd.

usage, from the repository's root: python trainer-runtime/src/test/goldens/loss_goldens.py
Inputs are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import pathlib
import torch, torch.nn.functional as F
from safetensors.torch import save_file
from text_encoder_goldens import randn

OUT = pathlib.Path("trainer-runtime/src/test/resources/loss-goldens")


def prompt_norm():
    """Eden's cond_reg: (m - T)^2 with m the mean norm of embeddings from position 2 on."""
    context = randn(7, 3, 9, 16).requires_grad_(True)
    mean = context.norm(dim=-1).mean(dim=0)[2:].mean()
    loss = (mean - 5.5).pow(2)
    return {"promptNorm": torch.autograd.grad(loss, context)[0]}


def prompt_distance():
    """Eden's compute_target_prompt_loss, of contexts and pooled embeddings."""
    def distance(x, y):
        return F.mse_loss(x, y) + 1 - F.cosine_similarity(x, y, dim=-1).mean()

    context, pooled = randn(9, 2, 9, 16).requires_grad_(True), randn(10, 2, 12).requires_grad_(True)
    loss = 0.2 * (distance(context, randn(11, 2, 9, 16)) + 0.25 * distance(pooled, randn(12, 2, 12)))
    gradients = torch.autograd.grad(loss, [context, pooled])
    return {"distance": loss, "distanceContext": gradients[0], "distancePooled": gradients[1]}


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    golden = prompt_norm() | prompt_distance()
    save_file({k: v.detach().contiguous().clone() for k, v in golden.items()}, OUT / "losses.safetensors")
    print({k: v.abs().max().item() for k, v in golden.items()})
