"""Proves whole models of the trainer: their folder loads whole in diffusers and transformers, and what these draw of it is what
the trainer draws of the folder and of the single file. The single file itself isn't opened in diffusers.

usage, from the repository's root: python trainer-runtime/src/test/goldens/check_models.py --output DIR
DIR is the output of a run with FullFineTuning (the workspace's output/): <name>.safetensors and diffusers/. Fails if weights are
missing or left over in a part, if the forms differ, or if a pixel differs by more than 2 of 255 from what `bin/lora-trainer sample`
draws.
"""
import argparse, pathlib, subprocess, sys, tempfile
import numpy as np, torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextModel, CLIPTextModelWithProjection

PROMPT, SEED, STEPS, GUIDANCE, TOLERANCE = "an emoji of a cat face in noto style", 1, 20, 5.0, 2
PARTS = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}

args = argparse.ArgumentParser()
args.add_argument("--output", type=pathlib.Path, required=True)
args = args.parse_args()
folder = args.output / "diffusers"
problems = []


def ours(base):
    """What `bin/lora-trainer sample` draws."""
    with tempfile.TemporaryDirectory() as out:
        command = ["bin/lora-trainer", "sample", "--base", str(base.absolute()), "--prompt", PROMPT, "--seed", str(SEED),
                   "--steps", str(STEPS), "--guidance", str(GUIDANCE), "--out", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return np.asarray(Image.open(next(pathlib.Path(out).glob("*.png"))).convert("RGB")).astype(np.int16)


for part, model in PARTS.items():
    if (folder / part).is_dir():
        _, info = model.from_pretrained(str(folder / part), output_loading_info=True)
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            if info[what]:
                problems.append(f"{part}: {what} {sorted(info[what])[:3]}")

pipe = DiffusionPipeline.from_pretrained(str(folder), torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
if pipe.tokenizer(PROMPT).input_ids[0] != 49406 or pipe.tokenizer.model_max_length != 77:
    problems.append(f"the tokenizer must be CLIP's, gives {pipe.tokenizer(PROMPT).input_ids}")
side = pipe.unet.config.sample_size
latents = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(SEED))
# Given, for what XL takes instead of an empty negative prompt is zeros.
image = pipe(PROMPT, negative_prompt="", num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=latents, output_type="np").images[0]
theirs = (image * 255).round().astype(np.int16)
for form in [folder] + sorted(args.output.glob("*.safetensors")):
    distance = np.abs(ours(form) - theirs).max()
    print(f"{form.name}: {type(pipe.scheduler).__name__}, greatest difference of a pixel {distance} of 255")
    if distance > TOLERANCE:
        problems.append(f"{form.name} must draw what diffusers draws, differs by {distance}")
if problems:
    sys.exit("\n".join(problems))
