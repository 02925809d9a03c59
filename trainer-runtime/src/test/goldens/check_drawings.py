"""Draws with diffusers what `bin/lora-trainer sample` drew, and says how far the pictures are apart.

usage: python check_drawings.py PICTURE --base FOLDER --prompt TEXT [--embedding FILE] [--steps 20] [--seed 0] [--resolution 128]
PICTURE is sample's, of the same base model (a merged one too), prompt, steps and seed at guidance 5. It fails above 2 of 255 levels.
"""
import argparse, pathlib
import numpy as np, torch
from PIL import Image
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

parser = argparse.ArgumentParser()
parser.add_argument("picture")
parser.add_argument("--base", required=True)
parser.add_argument("--prompt", required=True)
parser.add_argument("--embedding")
parser.add_argument("--steps", type=int, default=20)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--resolution", type=int, default=128)
a = parser.parse_args()

pipeline = StableDiffusionPipeline.from_pretrained(a.base, torch_dtype=torch.float32, safety_checker=None)
pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config)
if a.embedding:
    pipeline.load_textual_inversion(a.embedding, token=pathlib.Path(a.embedding).stem)
drawn = pipeline(a.prompt, negative_prompt="", num_inference_steps=a.steps, guidance_scale=5, height=a.resolution, width=a.resolution,
                 generator=torch.Generator().manual_seed(a.seed)).images[0]
difference = abs(np.asarray(drawn).astype(int) - np.asarray(Image.open(a.picture)).astype(int)).max()
print(f"{a.picture}: {difference} of 255 levels at most")
assert difference <= 2
