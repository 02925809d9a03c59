"""Merges a DoRA's file for AUTOMATIC1111 as AUTOMATIC1111 does, and compares weights and pictures with the trainer's.

usage, from the repository's root: python trainer-runtime/src/test/goldens/check_baked.py --output DIR [--base examples/bundled/emoji-sd]
DIR is the output of a run with the formats Kohya and A1111Baked: NAME.safetensors and NAME_a1111.safetensors, of Stable Diffusion 1.x.
What it does is written from AUTOMATIC1111 1.10's extensions-builtin/Lora: networks.py splits a key at its first point into a module's name and
a part; network_full.py takes the part `diff` as the difference; network.py's finalize_updown gives it the weight's shape and multiplies it by
calc_scale, 1 without an alpha and a rank, and by the strength. The weights must be those of `bin/lora-trainer merge` with NAME.safetensors,
and a picture that diffusers draws with them that of `bin/lora-trainer sample --lora NAME.safetensors`, within 2 of 255.
"""
import argparse, pathlib, subprocess, sys, tempfile
import numpy as np, torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

PROMPT, SEED, STEPS, GUIDANCE, TOLERANCE = "an emoji of a cat face", 1, 20, 5.0, 2

args = argparse.ArgumentParser()
args.add_argument("--output", type=pathlib.Path, required=True)
args.add_argument("--base", type=pathlib.Path, default=pathlib.Path("examples/bundled/emoji-sd"))
args = args.parse_args()
baked = next(args.output.glob("*_a1111.safetensors"))
kohya = baked.with_name(baked.name.replace("_a1111", ""))


def trainer(*arguments):
    subprocess.run(["bin/lora-trainer", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def apply(pipe, file):
    """Adds each module's difference to its weight; a key that fits no module is an error."""
    modules = {"lora_unet_" + n.replace(".", "_"): m for n, m in pipe.unet.named_modules() if hasattr(m, "weight")}
    modules |= {"lora_te_text_model_" + n.removeprefix("text_model.").replace(".", "_"): m
                for n, m in pipe.text_encoder.named_modules() if hasattr(m, "weight")}
    parts = {}
    for key, value in load_file(file).items():
        name, part = key.split(".", 1)
        parts.setdefault(name, {})[part] = value
    for name, own in parts.items():
        if set(own) != {"diff"}:
            sys.exit(f"{name} must have a difference alone, but has {sorted(own)}")
        weight = modules[name].weight
        if own["diff"].shape != weight.shape:
            sys.exit(f"{name} must have a difference of the shape {tuple(weight.shape)}")
        with torch.no_grad():
            weight += own["diff"].reshape(weight.shape) * 1.0 * 1.0
    return len(parts)


def pixels(image):
    return np.asarray(image.convert("RGB")).astype(np.int16)


pipe = StableDiffusionPipeline.from_pretrained(args.base, torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
plain = {f"{part}.{n}": w.clone() for part in ("unet", "text_encoder") for n, w in getattr(pipe, part).state_dict().items()}
count = apply(pipe, baked)
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    single = folder / "single"
    pipe_before = StableDiffusionPipeline.from_pretrained(args.base, torch_dtype=torch.float32)
    pipe_before.save_pretrained(single)  # in fp32, so that merging rounds nothing
    trainer("merge", "--base", single, "--lora", kohya.absolute(), "--out", folder / "merged")
    merged = StableDiffusionPipeline.from_pretrained(folder / "merged", torch_dtype=torch.float32)
    worst, changed = 0.0, 0
    for part in ("unet", "text_encoder"):
        theirs = getattr(pipe, part).state_dict()
        for n, ours in getattr(merged, part).state_dict().items():
            if not ours.is_floating_point():
                continue
            change = (ours - plain[f"{part}.{n}"]).abs().max().item()
            changed += change > 0
            worst = max(worst, ((ours - theirs[n]).abs().max() / ours.abs().max().clamp_min(1e-12)).item())
    trainer("sample", "--base", args.base.absolute(), "--prompt", PROMPT, "--seed", SEED, "--steps", STEPS, "--guidance", GUIDANCE,
            "--lora", kohya.absolute(), "--out", folder / "drawn")
    ours = pixels(Image.open(next((folder / "drawn").glob("*.png"))))
side = pipe.unet.config.sample_size
latents = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(SEED))
image = pipe(PROMPT, negative_prompt="", num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=latents, output_type="np").images[0]
difference = int(np.abs((image * 255).round().astype(np.int16) - ours).max())
print(f"{count} modules, {changed} weights changed, weights within {worst:.1e} of each's greatest, picture within {difference} of 255")
if changed != count or worst > 1e-6 or difference > TOLERANCE:
    sys.exit("not what the trainer makes")
