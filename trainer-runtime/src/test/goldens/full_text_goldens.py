"""Goldens of full fine-tuning with text encoders: python full_text_goldens.py, from the repository's root.

Writes trainer-runtime/src/test/resources/full-goldens/text-NAME.json, of the models, texts and inputs of text_encoder_goldens.py: of each
weight's gradient in the text encoders its norm and some of its numbers (those at i * size // NUMBERS), the norm of all gradients with
the denoiser's, and losses of ten steps in which text encoders move at half of the denoiser's rate. A weight that the loss doesn't reach
is absent.
"""
import json
import torch, torch.nn.functional as F
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection
from transformers.optimization import Adafactor
from full_goldens import NUMBERS, OUT, STEPS
from text_encoder_goldens import SD15, SDXL, TEXTS, embedding, name, randn

RATE, TEXT_RATE = 1e-4, 5e-5


def opened(folder):
    parts = {"unet": UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32),
             "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)}
    if folder == SDXL:
        parts["text_encoder_2"] = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", dtype=torch.float32)
    # Without dropout, which CLIP has none of anyway.
    return {part: model.eval().requires_grad_(True) for part, model in parts.items()}


def loss(parts, folder, count, skip):
    xl = folder == SDXL
    embeddings = [embedding(model, folder, part.removeprefix("text_encoder"), xl, TEXTS[folder], count, skip)
                  for part, model in parts.items() if part != "unet"]
    added = {"text_embeds": embeddings[-1][1],
             "time_ids": torch.tensor([[600.0, 400, 0, 50, 128, 128], [1024, 1536, 256, 0, 1024, 1024]])} if xl else None
    context = torch.cat([c for c, _ in embeddings], 2)
    y = parts["unet"](randn(1, 2, 4, 8, 16), torch.tensor([3.0, 731.0]), context, added_cond_kwargs=added).sample
    return F.mse_loss(y, randn(3, *y.shape))


def losses(make, *case):
    """The loss before each of some steps and after the last."""
    parts = opened(case[0])
    optimizer = make([{"params": list(model.parameters()), "lr": RATE if part == "unet" else TEXT_RATE} for part, model in parts.items()])
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(parts, *case)
        value.backward()
        optimizer.step()
        found.append(value.item())
    return found + [loss(parts, *case).item()]


def main():
    for title, *case in [("sd15", SD15, 1, 0), ("sdxl", SDXL, 1, 0), ("sdxl-chunks", SDXL, 3, 1)]:
        parts = opened(case[0])
        loss(parts, *case).backward()
        gradients = {name(part, n): p.grad for part, model in parts.items() for n, p in model.named_parameters() if p.grad is not None}
        values = {
            "gradients": {n: [g.norm().item()] + [g.flatten()[i * g.numel() // NUMBERS].item() for i in range(NUMBERS)]
                          for n, g in gradients.items() if n.startswith("text_encoder")},
            "norm": sum(g.square().sum() for g in gradients.values()).sqrt().item(),
            "adafactor": losses(lambda p: Adafactor(p, scale_parameter=False, relative_step=False, warmup_init=False), *case),
            "adamw": losses(lambda p: torch.optim.AdamW(p, weight_decay=0.01), *case),
        }
        text = json.dumps(json.loads(json.dumps(values), parse_float=lambda x: float(f"{float(x):.6g}")))
        (OUT / f"text-{title}.json").write_text(text.replace("], ", "],\n").replace("}, ", "},\n") + "\n")
        print(title, len(values["gradients"]), "weights of text encoders, losses", values["adamw"][0], values["adamw"][-1])


if __name__ == "__main__":
    main()
