"""Proves files of the trainer in diffusers: both forms of an adapter load whole, and draw what the trainer draws.

usage, from the repository's root: python trainer-runtime/src/test/goldens/check_exports.py --output DIR [--base examples/bundled/emoji-sd]
DIR is a run's output (demo-output/1, or the workspace's output/): <name>.safetensors and diffusers/pytorch_lora_weights.safetensors,
of Stable Diffusion 1.x or XL, with or without text encoders.
Draws two prompts by `bin/lora-trainer sample` and by diffusers, without a LoRA and with each file, and fails if a key is missing or
left over, a pixel differs by more than 2 of 255, or the LoRA changes nothing.
"""
import argparse, pathlib, subprocess, sys, tempfile
import numpy as np, torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors import safe_open

PROMPTS = {"an emoji of a cat face in noto style": 1, "an emoji of a pear": 7}
STEPS, GUIDANCE, TOLERANCE = 20, 5.0, 2
PARTS = {"unet": ("lora_unet_", "unet."), "text_encoder": ("lora_te_", "lora_te1_", "text_encoder."), "text_encoder_2": ("lora_te2_", "text_encoder_2.")}

args = argparse.ArgumentParser()
args.add_argument("--output", type=pathlib.Path, required=True)
args.add_argument("--base", type=pathlib.Path, default=pathlib.Path("examples/bundled/emoji-sd"))
args = args.parse_args()
problems = []


def ours(prompt, seed, lora):
    """What `bin/lora-trainer sample` draws."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["bin/lora-trainer", "sample", "--base", str(args.base.absolute()), "--prompt", prompt, "--seed", str(seed),
                   "--steps", str(STEPS), "--guidance", str(GUIDANCE), "--out", folder] + (["--lora", str(lora.absolute())] if lora else [])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return pixels(Image.open(next(pathlib.Path(folder).glob("*.png"))))


def theirs(pipe, prompt, seed):
    side = pipe.unet.config.sample_size
    latents = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(seed))
    # Given, for what XL takes instead of an empty negative prompt is zeros.
    image = pipe(prompt, negative_prompt="", num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=latents, output_type="np").images[0]
    return (image * 255).round().astype(np.int16)


def pixels(image):
    return np.asarray(image.convert("RGB")).astype(np.int16)


def loaded(pipe, file):
    """Each tensor of the file must be in its part of the model, with the file's scale, and nothing else."""
    with safe_open(file, "pt") as f:
        tensors = {n: f.get_tensor(n).double() for n in f.keys()}
    for part, prefixes in PARTS.items():
        names = [n for n in tensors if n.startswith(prefixes)]
        model = getattr(pipe, part, None)
        found = {} if model is None else {n: p for n, p in model.named_parameters() if ".lora_A." in n or ".lora_B." in n}
        factors = [n for n in names if not n.endswith(".alpha")]
        if len(found) != len(factors):
            problems.append(f"{file}: {len(factors)} tensors of {part}, but {len(found)} in it")
        energy = sum(tensors[n].square().sum().item() for n in factors)
        own = sum(p.double().square().sum().item() for p in found.values())
        if abs(own - energy) > 1e-6 * energy:
            problems.append(f"{file}: the tensors in {part} are not the file's: sum of squares {own} for {energy}")
        alphas = {tensors[n].item() for n in names if n.endswith(".alpha")}
        modules = [] if model is None else [m for m in model.modules() if hasattr(m, "lora_alpha")]
        scales = {(m.lora_alpha[a], m.scaling[a]) for m in modules for a in m.scaling}
        if alphas and {a for a, _ in scales} != alphas:
            problems.append(f"{file}: alphas {alphas}, but {scales} in {part}")
        if factors:
            print(f"{file}: {len(factors)} tensors in {part}, (alpha, scale) {sorted(scales)}")
    left = [n for n in tensors if not n.startswith(sum(PARTS.values(), ()))]
    if left:
        problems.append(f"{file}: of no part: {left[:3]}")


pipe = DiffusionPipeline.from_pretrained(args.base, torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
kohya = sorted(args.output.glob("*.safetensors"))
peft = args.output / "diffusers" / "pytorch_lora_weights.safetensors"
if len(kohya) != 1 or not peft.is_file():
    sys.exit(f"{args.output} must hold one <name>.safetensors and {peft.relative_to(args.output)}")

plain = {}
for file in (None, kohya[0], peft):
    if file:
        # A key that is left over is an error of diffusers itself.
        pipe.load_lora_weights(str(file.parent), weight_name=file.name)
        loaded(pipe, file)
    for prompt, seed in PROMPTS.items():
        a, b = ours(prompt, seed, file), theirs(pipe, prompt, seed)
        worst = int(np.abs(a - b).max())
        print(f"{file or 'base model'}, {prompt!r}, seed {seed}: max difference {worst}/255")
        if worst > TOLERANCE:
            problems.append(f"{file or 'base model'}, {prompt!r}: a pixel differs by {worst}")
        if file is None:
            plain[prompt] = b
        elif np.abs(b - plain[prompt]).mean() < 1:
            problems.append(f"{file}, {prompt!r}: the LoRA changes nothing")
    if file:
        pipe.unload_lora_weights()
print("\n".join(problems) or "ok")
sys.exit(bool(problems))
