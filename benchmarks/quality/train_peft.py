"""Trains what a LoraTraining asks for with diffusers + peft, into a workspace that `lora-trainer evaluate` measures.

usage: train_peft.py SPEC --base DIR --data DIR --workspace DIR [--threads N] [--same-draws] [--prefix TEXT]

SPEC is the trainer's own file: adapter, optimizer, schedule, loss, caption dropout, seed and checkpoints are read from it.
Needs `lora-trainer prepare` on the workspace before. With --same-draws noise, timesteps, order of pictures, dropped captions
and the adapter's start are the trainer's, which are functions of (seed, step, purpose); else they are torch's.
"""
import argparse, hashlib, json, pathlib, statistics, time
import diffusers, numpy, peft, safetensors.torch, torch, yaml
from diffusers import DDPMScheduler, StableDiffusionPipeline
from diffusers.optimization import get_cosine_schedule_with_warmup
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image, ImageDraw
from prodigyopt import Prodigy

from draws import SplittableRandom, normal, samples

# The trainer's groups, by diffusers' names.
TARGETS = {
    "Attention": ["to_q", "to_k", "to_v", "to_out.0"],
    "FeedForward": ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"],
    "Convolution": ["conv1", "time_emb_proj", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"],
}

args = argparse.ArgumentParser()
args.add_argument("spec", type=pathlib.Path)
args.add_argument("--base", type=pathlib.Path, required=True)
args.add_argument("--data", type=pathlib.Path, required=True)
args.add_argument("--workspace", type=pathlib.Path, required=True)
args.add_argument("--threads", type=int, default=2)
args.add_argument("--same-draws", action="store_true")
args.add_argument("--prefix", default="", help="put before each caption")
args = args.parse_args()

asked = yaml.safe_load(args.spec.read_text())["spec"]["training"]
seed, steps, batch, every = asked["seed"], asked["steps"], asked["batchSize"], asked["checkpoints"]["everySteps"]
adapter, rates, gamma, dropout = asked["adapter"], asked["optimizer"], asked["loss"]["minSnrGamma"], asked["captions"]["dropout"]
assert asked["loss"]["weighting"] == "MinSnr" and rates["schedule"]["type"] == "Cosine"
torch.set_num_threads(args.threads)
torch.manual_seed(seed)

pipe = StableDiffusionPipeline.from_pretrained(args.base, torch_dtype=torch.float32)
for part in (pipe.unet, pipe.vae, pipe.text_encoder):
    part.requires_grad_(False).eval()
files = sorted(args.data.glob("*.png"))
captions = [args.prefix + f.with_suffix(".txt").read_text().strip() for f in files]
pixels = torch.stack([torch.from_numpy(numpy.array(Image.open(f).convert("RGB"))).permute(2, 0, 1) for f in files]).float() / 255
with torch.no_grad():
    moments = pipe.vae.encode(pixels * 2 - 1).latent_dist
    mean, std = moments.mean * pipe.vae.config.scaling_factor, moments.std * pipe.vae.config.scaling_factor
    tokens = pipe.tokenizer(captions + [""], padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    contexts = pipe.text_encoder(tokens.input_ids)[0]

kind, rank, alpha = adapter.get("type", "LoRA"), adapter["rank"], adapter["alpha"]
targets = [name for group in adapter["targets"] for name in TARGETS[group]]
# peft's own start of LoKr would have no gradient; LyCORIS' is the trainer's.
lycoris = {"LoHa": dict(init_weights=True), "LoKr": dict(init_weights="lycoris")}
if kind in lycoris:
    config = getattr(peft, f"{kind}Config")(r=rank, alpha=alpha, target_modules=targets, **lycoris[kind])
else:
    config = LoraConfig(r=rank, lora_alpha=alpha, init_lora_weights="gaussian", use_dora=kind == "DoRA", target_modules=targets)
pipe.unet.add_adapter(config)
whose = yaml.safe_load(args.spec.read_text())["metadata"]


def save(checkpoint):
    """Writes the adapter where `evaluate` looks for its kind; peft's and LyCORIS' matrices differ in their names alone."""
    weights = get_peft_model_state_dict(pipe.unet)
    if kind not in lycoris:
        pipe.save_lora_weights(checkpoint / "diffusers", unet_lora_layers=weights)
        return
    named = {}
    for name, tensor in weights.items():
        module, part = name.rsplit(".", 1)
        layer = "lora_unet_" + module.replace(".", "_")
        named[f"{layer}.{part}"] = tensor.contiguous()
        named[f"{layer}.alpha"] = torch.tensor(float(alpha))
    checkpoint.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(named, checkpoint / f"{whose['name']}.safetensors")


if args.same_draws:  # of LoRA alone
    for path, module in pipe.unet.named_modules():
        if hasattr(module, "lora_A"):
            down = module.lora_A["default"].weight
            down.data = normal(seed, 0, "lora/" + path, down.shape) / adapter["rank"]
parameters = [p for p in pipe.unet.parameters() if p.requires_grad]
common = dict(lr=rates["learningRate"], betas=(rates["beta1"], rates["beta2"]), weight_decay=rates["weightDecay"], eps=1e-8)
if rates.get("type") == "Prodigy":
    optimizer = Prodigy(parameters, use_bias_correction=True, safeguard_warmup=True, d_coef=rates.get("dCoefficient", 1.0), **common)
else:
    optimizer = torch.optim.AdamW(parameters, **common)
schedule = get_cosine_schedule_with_warmup(optimizer, rates["schedule"]["warmupSteps"], steps)
noising = DDPMScheduler.from_config(pipe.scheduler.config)
timesteps = noising.config.num_train_timesteps
snr = noising.alphas_cumprod / (1 - noising.alphas_cumprod)
pipe.unet.train()

train = args.workspace / "train"
train.mkdir(parents=True, exist_ok=True)
order, lines, times, kept = [], [], [], []
for step in range(1, steps + 1):
    begin = time.perf_counter()
    if args.same_draws:
        chosen = samples(seed, step - 1, batch, len(files))
        draw, noise = (normal(seed, step - 1, purpose, (batch, *mean.shape[1:])) for purpose in ("latent", "noise"))
        drawn, drops = (SplittableRandom(seed, step - 1, purpose) for purpose in ("timestep", "caption"))
        t = torch.tensor([drawn.integer(timesteps) for _ in range(batch)])
        dropped = [drops.double() < dropout for _ in range(batch)]
    else:
        while len(order) < batch:
            order += torch.randperm(len(files)).tolist()
        chosen, order = order[:batch], order[batch:]
        draw, noise = torch.randn(2, batch, *mean.shape[1:])
        t = torch.randint(0, timesteps, (batch,))
        dropped = (torch.rand(batch) < dropout).tolist()
    z = mean[chosen] + std[chosen] * draw
    context = contexts[[len(files) if d else i for i, d in zip(chosen, dropped)]]
    predicted = pipe.unet(noising.add_noise(z, noise, t), t, context).sample
    loss = ((predicted - noise).square().mean((1, 2, 3)) * snr[t].clamp(max=gamma) / snr[t]).mean()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(parameters, rates["maxGradientNorm"])
    rate = schedule.get_last_lr()[0]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    schedule.step()
    times.append(time.perf_counter() - begin)
    found = {"foundRate": rate * optimizer.param_groups[0]["d"]} if isinstance(optimizer, Prodigy) else {}
    lines.append(dict(step=step, loss=loss.item(), learningRate=rate, gradientNorm=norm.item(), **found))
    if step % every == 0 or step == steps:
        checkpoint = train / "checkpoints" / f"step-{step:06}"
        save(checkpoint)
        # What `evaluate` asks of a checkpoint: proofs of its files, of which there are none here, and all files' digests.
        (checkpoint / "proof.json").write_text("[]")
        digests = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.relative_to(checkpoint)}\n" for f in sorted(checkpoint.rglob("*")) if f.is_file()]
        checkpoint.with_name(f"{checkpoint.name}.sha256").write_text("".join(digests))
        kept.append(dict(step=step, metrics=[]))
        print(f"step {step}: loss {statistics.mean(l['loss'] for l in lines[-every:]):.4f}, {statistics.median(times):.3f} s a step", flush=True)

# What the evaluate stage expects of the train stage.
(train / "loss.jsonl").write_text("".join(json.dumps(l) + "\n" for l in lines))
chart, top = Image.new("RGB", (480, 160), "white"), max(l["loss"] for l in lines)
ImageDraw.Draw(chart).line([(480 * i / steps, 159 - 158 * l["loss"] / top) for i, l in enumerate(lines)], "black")
chart.save(train / "loss.png")
prepared = json.loads((args.workspace / "dataset" / "manifest.json").read_text())
(train / "peer.json").write_text(json.dumps(dict(torch=torch.__version__, diffusers=diffusers.__version__, peft=peft.__version__, secondsPerStep=statistics.median(times))))
(train / "summary.json").write_text(json.dumps(dict(
    runId="peft", owner=dict(namespace=whose.get("namespace", "default"), name=whose["name"]), spec=prepared["spec"],
    datasetDigest=prepared["digest"], baseModelDigest=prepared["baseModelDigest"], checkpoints=kept, rollbacks=[])))
