"""Goldens on the bundled tiny model: pictures by diffusers, runs of ten losses by peft, similarities by transformers.

usage, from the repository's root: python trainer-runtime/src/test/goldens/emoji_goldens.py
Needs torch, diffusers, peft, transformers, pillow; made with diffusers 0.42.1, peft and transformers of the same day.
Inputs are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import json, pathlib
import torch
from PIL import Image
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig
from prodigyopt import Prodigy
from safetensors.torch import save_file
from transformers import AutoTokenizer, CLIPModel

MODEL = "examples/bundled/emoji-sd"
OUT = pathlib.Path("trainer-runtime/src/test/resources/emoji-goldens")
OUT.mkdir(parents=True, exist_ok=True)


def randn(seed, *shape):
    torch.manual_seed(seed)
    return torch.randn(*shape)


def pictures():
    pipe = StableDiffusionPipeline.from_pretrained(MODEL, torch_dtype=torch.float32)
    paths = sorted(n for n, m in pipe.unet.named_modules() if n.endswith("attn2.to_v"))
    lora = {}
    for i, path in enumerate(paths):
        m = pipe.unet.get_submodule(path)
        lora[f"unet.{path}.lora_A.weight"] = randn(2000 + i, 2, m.in_features) * 0.3
        lora[f"unet.{path}.lora_B.weight"] = randn(3000 + i, m.out_features, 2) * 0.3
    save_file(lora, OUT / "lora.safetensors", metadata={"format": "pt"})

    def draw(name, prompt, seed):
        latents = randn(seed, 1, 4, 16, 16)
        image = pipe(prompt, num_inference_steps=10, guidance_scale=5.0, latents=latents, output_type="np").images[0]
        Image.fromarray((image * 255).round().astype("uint8")).save(OUT / name)

    draw("cat.png", "an emoji of a cat face", 1)
    pipe.load_lora_weights(str(OUT / "lora.safetensors"))
    draw("cat-lora.png", "an emoji of a cat face", 1)


def by_peft(unet, dora):
    unet.add_adapter(LoraConfig(r=4, lora_alpha=8, target_modules=["to_k", "to_q", "to_v", "to_out.0"], use_dora=dora))
    named = {n: p for n, p in unet.named_parameters() if p.requires_grad}
    for i, n in enumerate(sorted(n for n in named if "lora_A" in n)):
        named[n].data.copy_(randn(1000 + i, *named[n].shape) / 4)
    for n, p in named.items():
        if "lora_B" in n:
            p.data.zero_()
    return named


def losses(weighting="MinSnr", kind="epsilon", delta=None, masked=False, parts=1, prodigy=False, dora=False, adapt=None):
    """Loss and gradient norm of ten steps; adapt(unet) adds another adapter than peft's and gives its parameters by name."""
    unet = UNet2DConditionModel.from_pretrained(MODEL, subfolder="unet", torch_dtype=torch.float32)
    unet.requires_grad_(False)
    named = (adapt or (lambda unet: by_peft(unet, dora)))(unet)
    scheduler = DDPMScheduler.from_config(MODEL, subfolder="scheduler")
    unet.train()
    if prodigy:
        optimizer = Prodigy(named.values(), weight_decay=0.01, use_bias_correction=True, safeguard_warmup=True, d0=1e-6)
    else:
        optimizer = torch.optim.AdamW(named.values(), lr=1e-3, weight_decay=0.01)

    def loss(k):
        latents, noise, text = randn(100 + k, 2, 4, 16, 16), randn(200 + k, 2, 4, 16, 16), randn(300 + k, 2, 77, 128)
        t = torch.tensor([(97 * k + 50) % 1000, (389 * k + 700) % 1000])
        alphas = scheduler.alphas_cumprod[t]
        predicted = unet(scheduler.add_noise(latents, noise, t), t, text).sample
        d = predicted - (scheduler.get_velocity(latents, noise, t) if kind == "v" else noise)
        snr = alphas / (1 - alphas)
        if delta is None:
            each = d ** 2
        else:
            c = ((1 - delta) / (1 + (1 / snr).sqrt()) ** 2 + delta).view(2, 1, 1, 1)
            each = 2 * c * ((d ** 2 + c ** 2).sqrt() - c)
        more = 1 if kind == "v" else 0
        weight = {"Uniform": torch.ones(2), "MinSnr": torch.clamp(snr, max=5) / (snr + more), "Debiased": 1 / snr.clamp(max=1000).sqrt()}[weighting]
        mask = torch.sigmoid(randn(400 + k, 2, 1, 16, 16)) if masked else torch.ones(2, 1, 16, 16)
        return ((each * mask).sum((1, 2, 3)) / (4 * mask.sum((1, 2, 3))) * weight).mean() / parts

    result = []
    for k in range(10):
        total = 0
        for part in range(parts):
            value = loss(k * parts + part)
            value.backward()
            total += value.item()
        norm = torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        result.append([total, norm.item()])
    return result


def runs():
    """[fields of spec.training, prediction, whether there are masks, losses and norms]"""
    return [
        ["loss: {weighting: MinSnr}", "Epsilon", False, losses()],
        ["loss: {weighting: MinSnr}", "V", False, losses(kind="v")],
        ["loss: {weighting: Uniform}", "Epsilon", True, losses("Uniform", masked=True)],
        ["loss: {weighting: Debiased, huberDelta: 0.1}", "Epsilon", False, losses("Debiased", delta=0.1)],
        ["optimizer: {type: Prodigy}, gradientAccumulation: 2", "Epsilon", False, losses(prodigy=True, parts=2)],
    ]


def clip():
    folder = "examples/bundled/emoji-clip"
    model, tokenizer = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(folder)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)

    def unit(x):
        return torch.nn.functional.normalize(x if torch.is_tensor(x) else x.pooler_output, dim=-1)

    def images(names):
        import numpy
        x = [torch.tensor(numpy.array(Image.open(f"examples/bundled/fluent-style/{n}.png").convert("RGB"))) for n in names]
        with torch.no_grad():
            return unit(model.get_image_features(pixel_values=torch.stack([(i.permute(2, 0, 1) / 255 - mean) / std for i in x])))

    made, training = images(["bat", "crab", "wolf"]), images(["pear", "peach", "taco", "zebra"])
    tokens = tokenizer(["an emoji of a bat", "an emoji of a crab", "a wolf in noto style"], padding="max_length", max_length=77, return_tensors="pt")
    with torch.no_grad():
        texts = unit(model.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]))
    pairs = [1 - float(made[i] @ made[j]) for i in range(3) for j in range(3) if i != j]
    return dict(textAlignment=float((made * texts).sum(1).mean()), trainingImageAlignment=float((made @ training.T).mean()), styleAlignment=float(unit(made.mean(0)) @ unit(training.mean(0))), diversity=sum(pairs) / len(pairs))


if __name__ == "__main__":
    pictures()
    (OUT / "values.json").write_text(json.dumps(dict(runs=runs(), clip=clip()), indent=1) + "\n")
