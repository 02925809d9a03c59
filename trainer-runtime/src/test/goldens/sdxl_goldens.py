"""A tiny random SDXL model as a diffusers folder, with what diffusers and peft compute by it.

usage, from the repository's root: python trainer-runtime/src/test/goldens/sdxl_goldens.py

Weights are rounded to fp16 and stored so; all is computed in fp32.
"""
import json, os, pathlib, shutil
import torch, torch.nn.functional as F
from PIL import Image
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

OUT = pathlib.Path("trainer-runtime/src/test/resources/goldens/sdxl")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = ["!", *LETTERS, "!</w>", *(c + "</w>" for c in LETTERS), "ca", "cat</w>", "do", "dog</w>", "<unused-0>", "<unused-1>", "<|startoftext|>", "<|endoftext|>"]
MERGES = ["c a", "ca t</w>", "d o", "do g</w>"]
LENGTH = 16
BEGIN, END = len(VOCABULARY) - 2, len(VOCABULARY) - 1
TEXTS = ["a cat", "two dogs in fog", ""]
PICTURE = dict(prompt="a cat", negative_prompt="", num_inference_steps=6, guidance_scale=5.0, height=64, width=64, output_type="np")


def tokenizer(folder, pad):
    os.makedirs(folder, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(VOCABULARY)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": pad,
        "unk_token": "<|endoftext|>", "model_max_length": LENGTH}, indent=1))
    return CLIPTokenizer.from_pretrained(folder)


def text_config(width, heads, layers, act):
    return CLIPTextConfig(vocab_size=len(VOCABULARY), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers, num_attention_heads=heads,
                          max_position_embeddings=LENGTH, hidden_act=act, projection_dim=20, bos_token_id=BEGIN, eos_token_id=END, pad_token_id=END)


def pipeline():
    torch.manual_seed(11)
    unet = UNet2DConditionModel(
        sample_size=16, cross_attention_dim=44, attention_head_dim=[1, 2, 3], block_out_channels=(8, 16, 24), layers_per_block=2, norm_num_groups=4,
        use_linear_projection=True, transformer_layers_per_block=[1, 1, 2], addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=68, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"))
    vae = AutoencoderKL(block_out_channels=(8, 8, 16), layers_per_block=1, norm_num_groups=4, latent_channels=4, sample_size=64, scaling_factor=0.13025,
                        force_upcast=True, down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3)
    one = CLIPTextModel(text_config(24, 3, 3, "quick_gelu"))
    two = CLIPTextModelWithProjection(text_config(20, 2, 4, "gelu"))
    for model in (unet, vae, one, two):
        for p in model.parameters():
            if p.dim() == 1:
                p.data += 0.1 * torch.randn_like(p)
    scheduler = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading")
    StableDiffusionXLPipeline(vae.half(), one.half(), two.half(), tokenizer(OUT / "tokenizer", "<|endoftext|>"), tokenizer(OUT / "tokenizer_2", "!"),
                              unet.half(), scheduler).save_pretrained(OUT)
    for folder, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        shutil.rmtree(OUT / folder)
        tokenizer(OUT / folder, pad)
    pipe = StableDiffusionXLPipeline.from_pretrained(OUT, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def save(folder, tensors):
    save_file({k: v.detach().float().contiguous().clone() for k, v in tensors.items()}, OUT / folder / "golden.safetensors")


def denoiser(u):
    torch.manual_seed(12)
    x = torch.randn(2, 4, 8, 12, requires_grad=True)
    t = torch.tensor([3.0, 731.0])
    c = torch.randn(2, 7, 44, requires_grad=True)
    pooled = torch.randn(2, 20)
    ids = torch.tensor([[600.0, 400, 0, 50, 128, 128], [1024, 1536, 256, 0, 1024, 1024]])
    added = {"text_embeds": pooled, "time_ids": ids}
    y = u(x, t, c, added_cond_kwargs=added).sample
    target = torch.randn_like(y)
    F.mse_loss(y, target).backward()
    g = {"sample": x, "timesteps": t, "context": c, "pooled": pooled, "time_ids": ids, "output": y, "target": target,
         "grad.sample": x.grad, "grad.context": c.grad}
    u.requires_grad_(False)
    u.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=["attn2.to_k", "attn1.to_v", "attn2.to_out.0"]))
    lora = {}
    for name, module in u.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            lora[name] = module.lora_A["default"].weight, module.lora_B["default"].weight
            torch.nn.init.normal_(lora[name][0], std=0.25)
            torch.nn.init.normal_(lora[name][1], std=0.1)
    z = u(x.detach(), t, c.detach(), added_cond_kwargs=added).sample
    loss = F.mse_loss(z, target)
    loss.backward()
    g |= {"lora.output": z, "lora.loss": loss}
    for path, (a, b) in lora.items():
        g |= {f"{path}.A": a, f"{path}.B": b, f"{path}.grad.A": a.grad, f"{path}.grad.B": b.grad}
    save("unet", g)


def texts(pipe):
    context, _, pooled, _ = pipe.encode_prompt(TEXTS, do_classifier_free_guidance=False)
    skipped, _, same, _ = pipe.encode_prompt(TEXTS, do_classifier_free_guidance=False, clip_skip=1)
    assert torch.equal(pooled, same)
    save(".", {"context": context, "pooled": pooled, "context.skip1": skipped})


def picture(pipe):
    torch.manual_seed(5)
    latents = torch.randn(1, 4, 16, 16)
    image = pipe(**PICTURE, latents=latents).images[0]
    Image.fromarray((image * 255).round().astype("uint8")).save(OUT / "picture.png")


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    pipe = pipeline()
    with torch.no_grad():
        texts(pipe)
        picture(pipe)
    denoiser(pipe.unet)
