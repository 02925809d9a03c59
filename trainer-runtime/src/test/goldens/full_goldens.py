"""Goldens of full fine-tuning: python full_goldens.py, from the repository's root, after make_goldens.py and sdxl_goldens.py.

Writes trainer-runtime/src/test/resources/full-goldens/NAME.json for the denoisers of those scripts, whose weights and inputs are
read from their folders. Of each weight's gradient its norm and some of its numbers are kept: those at i * size // NUMBERS.
"""
import json, pathlib
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from transformers.optimization import Adafactor

RESOURCES = pathlib.Path("trainer-runtime/src/test/resources")
OUT = RESOURCES / "full-goldens"
NUMBERS = 3
STEPS = 10


def opened(folder, dtype=torch.float32):
    unet = UNet2DConditionModel.from_pretrained(folder).to(dtype).train()
    for name, module in unet.named_modules():
        if dtype != torch.float32 and isinstance(module, (torch.nn.GroupNorm, torch.nn.LayerNorm)):
            module.to(torch.float32)
            module.register_forward_pre_hook(lambda m, args: (args[0].float(),))
            module.register_forward_hook(lambda m, args, y: y.to(dtype))
    return unet


def loss(unet, golden, dtype=torch.float32):
    added = {}
    if "pooled" in golden:
        added = {"added_cond_kwargs": {"text_embeds": golden["pooled"].to(dtype), "time_ids": golden["time_ids"]}}
    y = unet(golden["sample"].to(dtype), golden["timesteps"], golden["context"].to(dtype), **added).sample
    return F.mse_loss(y.float(), golden["target"])


def gradients(unet, golden, dtype=torch.float32):
    loss(unet, golden, dtype).backward()
    return {name: p.grad.float() for name, p in unet.named_parameters()}


def losses(folder, golden, make):
    """The loss before each of some steps and after the last."""
    unet = opened(folder)
    optimizer = make(unet.parameters())
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(unet, golden)
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found + [loss(unet, golden).item()]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name in ["unet-a", "unet-bb", "sdxl/unet"]:
        folder = RESOURCES / "goldens" / name
        golden = load_file(folder / "golden.safetensors")
        exact = gradients(opened(folder), golden)
        rounded = gradients(opened(folder, torch.bfloat16), golden, torch.bfloat16)
        whole = sum(g.square().sum() for g in exact.values()).sqrt()
        apart = sum((rounded[n] - g).square().sum() for n, g in exact.items()).sqrt()
        values = {
            "gradients": {
                n: [g.norm().item()] + [g.flatten()[i * g.numel() // NUMBERS].item() for i in range(NUMBERS)] for n, g in exact.items()
            },
            "norm": whole.item(),
            "bfloat16Distance": (apart / whole).item(),
            "adafactor": losses(folder, golden, lambda p: Adafactor(p, lr=1e-3, scale_parameter=False, relative_step=False, warmup_init=False)),
            "adamw": losses(folder, golden, lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01)),
        }
        text = json.dumps(json.loads(json.dumps(values), parse_float=lambda x: float(f"{float(x):.6g}")))
        (OUT / (name.split("/")[0] + ".json")).write_text(text.replace("], ", "],\n").replace("}, ", "},\n") + "\n")


if __name__ == "__main__":
    main()
