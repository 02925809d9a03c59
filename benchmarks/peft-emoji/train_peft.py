"""Trains the example of examples/fluent-style/training.yaml with diffusers + peft, and measures it as the trainer's evaluate stage does.

usage, from the repository's root: python benchmarks/peft-emoji/train_peft.py [--steps 240] [--seed 0] [--stop-after STEP] [--own-draws] [--threads 2] [--out DIR] [--ours evaluation.json]
Needs benchmarks/peer/requirements.txt. Writes metrics.json and grid.png into --out. With --ours, prints the share of peft's gain
that the trainer's best checkpoint reached. What is measured is defined in README.md beside this file.
"""
import argparse, json, math, pathlib, time
import numpy as np, torch, torch.nn.functional as F
from diffusers import DDPMScheduler, StableDiffusionPipeline
from diffusers.optimization import get_cosine_schedule_with_warmup
from peft import LoraConfig
from PIL import Image, ImageDraw
from transformers import AutoTokenizer, CLIPModel

args = argparse.ArgumentParser()
args.add_argument("--steps", type=int, default=240)
args.add_argument("--checkpoints", type=int, default=4)
args.add_argument("--stop-after", type=int, help="end after this step of the schedule")
args.add_argument("--seed", type=int, default=0)
args.add_argument("--own-draws", action="store_true", help="torch's own noise, timesteps and start instead of the trainer's")
args.add_argument("--threads", type=int, default=2)
args.add_argument("--out", type=pathlib.Path, default=pathlib.Path("benchmarks/peft-emoji/target"))
args.add_argument("--ours", type=pathlib.Path)
args = args.parse_args()

BUNDLED = pathlib.Path("examples/bundled")
RANK, ALPHA, BATCH, RATE, WARMUP, GAMMA, DROPOUT = 16, 16, 4, 1e-3, 15, 5.0, 0.05
PROMPTS, FIRST_SEED, SAMPLER_STEPS, GUIDANCE = 12, 1000, 20, 5.0
torch.set_num_threads(args.threads)
torch.manual_seed(args.seed)
args.out.mkdir(parents=True, exist_ok=True)

pipe = StableDiffusionPipeline.from_pretrained(BUNDLED / "emoji-sd", torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
for part in (pipe.unet, pipe.vae, pipe.text_encoder):
    part.requires_grad_(False).eval()
clip = CLIPModel.from_pretrained(BUNDLED / "emoji-clip", dtype=torch.float32).eval()
clip_tokenizer = AutoTokenizer.from_pretrained(BUNDLED / "emoji-clip")

files = sorted((BUNDLED / "fluent-style").glob("*.png"))
captions = [f.with_suffix(".txt").read_text().strip() for f in files]
pixels = torch.stack([torch.from_numpy(np.array(Image.open(f).convert("RGB"))).permute(2, 0, 1) for f in files]).float() / 255


MASK = (1 << 64) - 1


def mix64(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def derive(seed, step, purpose):
    """The trainer's Randomness.derive."""
    h = 0xCBF29CE484222325
    for b in f"{seed}/{step}/{purpose}".encode():
        h = (h ^ b) * 0x100000001B3 & MASK
    return mix64(h) & MASK >> 1


def normal(seed, step, purpose, shape):
    """The trainer's Randomness.normal."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(derive(seed, step, purpose)))


class SplittableRandom:
    """Java's (Steele et al. 2014), as the trainer's Randomness.generator seeds it."""

    def __init__(self, seed, step, purpose):
        self.state = derive(seed, step, purpose)

    def next(self):
        self.state = self.state + 0x9E3779B97F4A7C15 & MASK
        return self.state

    def integer(self, bound):
        mask = bound - 1
        while True:
            z = self.next()
            z = (z ^ z >> 33) * 0x62A9D9ED799705F5 & MASK
            r = ((z ^ z >> 28) * 0xCB24D0A5C88C35B3 & MASK) >> 32
            if bound & mask == 0:
                return r & mask
            u = r >> 1
            if u + mask - u % bound < 1 << 31:
                return u % bound

    def double(self):
        return (mix64(self.next()) >> 11) * 2.0**-53


def samples(step, size):
    """The trainer's Batches.samples: epochs, each a permutation of the data, cut into batches."""
    chosen = []
    for position in range(step * BATCH, (step + 1) * BATCH):
        random, order = SplittableRandom(args.seed, position // size, "epoch"), list(range(size))
        for i in range(size):
            j = random.integer(i + 1)
            order[i], order[j] = order[j], i
        chosen.append(order[position % size])
    return chosen


def tokens(tokenizer, texts):
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")


def unit(output):
    return F.normalize(output if torch.is_tensor(output) else output.pooler_output, dim=-1)


@torch.no_grad()
def embed_images(images):
    """Unit vectors of pictures in [0, 1] of CLIP's own size, so that its resizing is the identity."""
    assert images.shape[-1] == images.shape[-2] == clip.config.vision_config.image_size
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    return unit(clip.get_image_features(pixel_values=(images - mean) / std))


@torch.no_grad()
def embed_texts(texts):
    t = tokens(clip_tokenizer, texts)
    return unit(clip.get_text_features(input_ids=t.input_ids, attention_mask=t.attention_mask))


prompts = captions[:PROMPTS]
training, texts = embed_images(pixels), embed_texts(prompts)


def measure():
    pipe.unet.eval()
    side = pipe.unet.config.sample_size
    latents = torch.cat([torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(FIRST_SEED + i)) for i in range(PROMPTS)])
    images = pipe(prompts, num_inference_steps=SAMPLER_STEPS, guidance_scale=GUIDANCE, latents=latents, output_type="np").images
    images = torch.from_numpy((images * 255).round()).permute(0, 3, 1, 2) / 255
    made = embed_images(images)
    pairs = made @ made.T
    metrics = dict(
        textAlignment=(made * texts).sum(1).mean().item(),
        trainingImageAlignment=(made @ training.T).mean().item(),
        styleAlignment=F.cosine_similarity(made.mean(0), training.mean(0), dim=0).item(),
        diversity=1 - (pairs.sum() - pairs.diagonal().sum()).item() / (PROMPTS * (PROMPTS - 1)),
    )
    return metrics, images


with torch.no_grad():
    moments = pipe.vae.encode(pixels * 2 - 1).latent_dist
    mean, std = moments.mean * pipe.vae.config.scaling_factor, moments.std * pipe.vae.config.scaling_factor
    contexts = pipe.text_encoder(tokens(pipe.tokenizer, captions + [""]).input_ids)[0]

base, images = measure()
columns = [("base model", images)]
print("base", base, flush=True)

pipe.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, init_lora_weights="gaussian", target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
if not args.own_draws:
    for path, module in pipe.unet.named_modules():
        if hasattr(module, "lora_A"):
            down = module.lora_A["default"].weight
            down.data = normal(args.seed, 0, "lora/" + path, down.shape) / RANK
parameters = [p for p in pipe.unet.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.999), weight_decay=0.01, eps=1e-8)
rate = get_cosine_schedule_with_warmup(optimizer, WARMUP, args.steps)
noise_schedule = DDPMScheduler.from_config(pipe.scheduler.config)
snr = noise_schedule.alphas_cumprod / (1 - noise_schedule.alphas_cumprod)

order, checkpoints, times, losses = [], [], [], []
marks = [round(args.steps * (i + 1) / args.checkpoints) for i in range(args.checkpoints)]
for step in range(1, (args.stop_after or args.steps) + 1):
    begin = time.perf_counter()
    pipe.unet.train()
    if args.own_draws:
        if len(order) < BATCH:
            order += torch.randperm(len(files)).tolist()
        chosen, order = order[:BATCH], order[BATCH:]
        draw, noise = torch.randn(2, BATCH, *mean.shape[1:])
        t = torch.randint(0, noise_schedule.config.num_train_timesteps, (BATCH,))
        dropped = (torch.rand(BATCH) < DROPOUT).tolist()
    else:
        chosen = samples(step - 1, len(files))
        draw, noise = (normal(args.seed, step - 1, purpose, (BATCH, *mean.shape[1:])) for purpose in ("latent", "noise"))
        times_drawn, drops = (SplittableRandom(args.seed, step - 1, purpose) for purpose in ("timestep", "caption"))
        t = torch.tensor([times_drawn.integer(noise_schedule.config.num_train_timesteps) for _ in range(BATCH)])
        dropped = [drops.double() < DROPOUT for _ in range(BATCH)]
    z = mean[chosen] + std[chosen] * draw
    context = contexts[[len(files) if d else i for i, d in zip(chosen, dropped)]]
    predicted = pipe.unet(noise_schedule.add_noise(z, noise, t), t, context).sample
    loss = ((predicted - noise).square().mean((1, 2, 3)) * snr[t].clamp(max=GAMMA) / snr[t]).mean()
    losses.append(loss.item())
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    rate.step()
    times.append(time.perf_counter() - begin)
    if step in marks:
        metrics, images = measure()
        checkpoints.append(dict(step=step, **metrics))
        columns.append((f"step {step}", images))
        print(checkpoints[-1], f"median {np.median(times):.3f} s a step", flush=True)

result = dict(settings=vars(args) | dict(rank=RANK, alpha=ALPHA, batch=BATCH, rate=RATE, warmup=WARMUP),
              torch=torch.__version__, stepSeconds=float(np.median(times)), trainSeconds=float(sum(times)), base=base, checkpoints=checkpoints, losses=losses)
(args.out / "metrics.json").write_text(json.dumps(result, indent=1, default=str) + "\n")

grid = Image.new("RGB", (128 * len(columns), 16 + 128 * PROMPTS), "white")
draw = ImageDraw.Draw(grid)
for x, (name, images) in enumerate(columns):
    draw.text((128 * x + 4, 2), name, fill="black")
    for y, image in enumerate(images):
        grid.paste(Image.fromarray((image.permute(1, 2, 0) * 255).round().byte().numpy()), (128 * x, 16 + 128 * y))
grid.save(args.out / "grid.png")

if args.ours:
    ours = json.loads(args.ours.read_text())
    if [p["text"] for p in ours["prompts"]] != prompts:
        raise SystemExit(f"{args.ours} must be of the prompts {prompts}")
    values = lambda checkpoint: {m["name"]: float(m["value"]) for m in checkpoint["metrics"]}
    best = next(c for c in ours["checkpoints"] if c["step"] == ours["bestStep"])
    for name in ("trainingImageAlignment", "styleAlignment", "textAlignment"):
        ours_base, ours_best = values(ours["base"])[name], values(best)[name]
        peer = max(c[name] for c in checkpoints)
        gain = peer - base[name]
        share = (ours_best - ours_base) / gain if gain > 0 else math.nan
        print(f"{name}: peft {base[name]:.4f} -> {peer:.4f} (best of its checkpoints), ours {ours_base:.4f} -> {ours_best:.4f}: share of the gain {share:.2f}")
