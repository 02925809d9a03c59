"""Proves `bin/lora-trainer export` in diffusers: LoRAs of tiny random models, written by diffusers, changed into kohya's form and back.

usage, from the repository's root: python trainer-runtime/src/test/goldens/check_conversions.py
For Stable Diffusion 1.x and XL, alpha/rank and rank-stabilized scales, an adapter of every kind of module (attention, feed-forward,
projections, convolutions, samplers, time embeddings, text encoders) of several ranks and alphas: each file must load without a key
missing or left over, and give the outputs of the UNet and the text encoders that the adapter itself gives, within 1e-5 of the
greatest. For the text encoders diffusers knows one rank and alpha an encoder in kohya's form.
"""
import logging, pathlib, subprocess, sys, tempfile
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

TOLERANCE = 1e-5
UNET_TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "conv1", "conv2", "conv_shortcut",
                "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv"]
TEXT_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
problems = []


class Warnings(logging.Handler):
    """Remembers what diffusers warns of."""
    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


def models(xl):
    torch.manual_seed(0)
    text = dict(hidden_size=16, intermediate_size=32, num_attention_heads=2, num_hidden_layers=2, vocab_size=100, max_position_embeddings=8,
                projection_dim=16)
    common = dict(sample_size=8, layers_per_block=2, norm_num_groups=4, attention_head_dim=2)
    if xl:
        unet = UNet2DConditionModel(
            block_out_channels=(8, 16, 16), down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), transformer_layers_per_block=(1, 1, 2),
            cross_attention_dim=32, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=40, **common)
    else:
        unet = UNet2DConditionModel(
            block_out_channels=(8, 8, 16, 16), down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3, cross_attention_dim=16, **common)
    parts = {"unet": unet, "text_encoder": CLIPTextModel(CLIPTextConfig(**text))}
    if xl:
        parts["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**text))
    return {name: part.eval() for name, part in parts.items()}


def pipeline(xl):
    rest = dict(vae=AutoencoderKL(block_out_channels=(8,), norm_num_groups=4), scheduler=EulerDiscreteScheduler(), tokenizer=None)
    if xl:
        return StableDiffusionXLPipeline(tokenizer_2=None, **rest, **models(xl))
    return StableDiffusionPipeline(safety_checker=None, feature_extractor=None, requires_safety_checker=False, **rest, **models(xl))


@torch.no_grad()
def outputs(parts, xl):
    """Of the parts apart, so that each must be right."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 99, (1, 8), generator=generator)
    sample, context = torch.randn(1, 4, 16, 16, generator=generator), torch.randn(1, 8, 32 if xl else 16, generator=generator)
    added = {"text_embeds": torch.randn(1, 16, generator=generator), "time_ids": torch.full((1, 6), 64.0)} if xl else None
    result = {"unet": parts["unet"](sample, 500, context, added_cond_kwargs=added).sample}
    for name in ("text_encoder", "text_encoder_2"):
        if name in parts:
            result[name] = parts[name](ids, output_hidden_states=True).hidden_states[-1]
    return result


def trained(xl, rslora):
    """Models with an adapter that changes them."""
    parts = models(xl)
    for name, part in parts.items():
        ranks = {"rank_pattern": {"mid_block.attentions.0.proj_in": 2}, "alpha_pattern": {"up_blocks.1.resnets.0.conv1": 5.0}}
        config = LoraConfig(r=4, lora_alpha=3, target_modules=UNET_TARGETS if name == "unet" else TEXT_TARGETS, use_rslora=rslora,
                            **(ranks if name == "unet" else {}))
        part.add_adapter(config)
        for key, parameter in part.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.2)
    return parts


def keys(parts):
    return {f"{name}.{key.replace('.default_0', '').replace('.default', '')}": value
            for name, part in parts.items() for key, value in part.named_parameters() if "lora_" in key}


def check(title, file, xl, expected, names):
    pipe = pipeline(xl)
    plain = outputs({n: getattr(pipe, n) for n in expected}, xl)
    warnings = Warnings()
    diffusers_logging.get_logger("diffusers").addHandler(warnings)
    pipe.load_lora_weights(str(file.parent), weight_name=file.name)
    diffusers_logging.get_logger("diffusers").removeHandler(warnings)
    parts = {n: getattr(pipe, n) for n in expected}
    if warnings.lines:
        problems.append(f"{title}: diffusers warns: {warnings.lines}")
    if set(keys(parts)) != names:
        problems.append(f"{title}: keys differ: {sorted(set(keys(parts)) ^ names)[:5]}")
    for name, output in outputs(parts, xl).items():
        greatest = expected[name].abs().max()
        difference = ((output - expected[name]).abs().max() / greatest).item()
        effect = ((plain[name] - expected[name]).abs().max() / greatest).item()
        print(f"{title}: {name} differs by {difference:.1e}, the adapter changes {effect:.2f}")
        if difference > TOLERANCE or effect < 0.01:
            problems.append(f"{title}: {name} differs by {difference}, the adapter changes {effect}")


def export(source, to, target, xl):
    command = ["bin/lora-trainer", "export", str(source), "--to", to, "--out", str(target), "--family", "SDXL" if xl else "SD15"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


diffusers_logging.set_verbosity_warning()
for xl in (False, True):
    for rslora in (False, True):
        parts = trained(xl, rslora)
        expected, names = outputs(parts, xl), set(keys(parts))
        title = ("SDXL" if xl else "SD15") + (", rank-stabilized" if rslora else "")
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            layers = {f"{name}_lora_layers": get_peft_model_state_dict(part) for name, part in parts.items()}
            metadata = {f"{name}_lora_adapter_metadata": part.peft_config["default"].to_dict() for name, part in parts.items()}
            (StableDiffusionXLPipeline if xl else StableDiffusionPipeline).save_lora_weights(folder, **layers, **metadata)
            theirs = folder / "pytorch_lora_weights.safetensors"
            check(f"{title}, as diffusers wrote it", theirs, xl, expected, names)
            export(theirs, "kohya", folder / "kohya.safetensors", xl)
            check(f"{title}, kohya", folder / "kohya.safetensors", xl, expected, names)
            export(folder / "kohya.safetensors", "diffusers", folder / "back.safetensors", xl)
            check(f"{title}, and back", folder / "back.safetensors", xl, expected, names)
            export(theirs, "diffusers", folder / "same.safetensors", xl)
            check(f"{title}, diffusers anew", folder / "same.safetensors", xl, expected, names)
print("\n".join(problems) or "ok")
sys.exit(bool(problems))
