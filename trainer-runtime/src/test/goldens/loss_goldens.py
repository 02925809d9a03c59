"""Goldens of losses beside that of the prediction: gradients by torch's autograd.

usage, from the repository's root: python trainer-runtime/src/test/goldens/loss_goldens.py
Inputs are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import pathlib
import torch
from safetensors.torch import save_file
from text_encoder_goldens import randn

OUT = pathlib.Path("trainer-runtime/src/test/resources/loss-goldens")


def prompt_norm():
    """Eden's cond_reg: (m - T)^2 with m the mean norm of embeddings from position 2 on."""
    context = randn(7, 3, 9, 16).requires_grad_(True)
    mean = context.norm(dim=-1).mean(dim=0)[2:].mean()
    loss = (mean - 5.5).pow(2)
    return {"promptNorm": torch.autograd.grad(loss, context)[0]}


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    golden = prompt_norm()
    save_file({k: v.detach().contiguous().clone() for k, v in golden.items()}, OUT / "losses.safetensors")
    print({k: v.abs().max().item() for k, v in golden.items()})
