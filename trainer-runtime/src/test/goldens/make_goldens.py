"""Makes the goldens beside the tests: python make_goldens.py, with requirements.txt installed. From the repository's root:

    python -m venv env && env/bin/pip install -r trainer-runtime/src/test/goldens/requirements.txt
    env/bin/python trainer-runtime/src/test/goldens/make_goldens.py

Random tiny networks of diffusers and transformers with inputs, outputs and gradients in fp32.
"""
import json, os, shutil
import torch, torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

OUT = "trainer-runtime/src/test/resources/goldens"
torch.set_num_threads(2)
shutil.rmtree(OUT, ignore_errors=True)
TARGETS = ["to_q", "to_k", "to_v", "to_out.0"]


def save(name, tensors):
    os.makedirs(f"{OUT}/{name}", exist_ok=True)
    save_file({k: v.detach().float().contiguous().clone() for k, v in tensors.items()}, f"{OUT}/{name}/golden.safetensors")


def adapt(unet, rank, alpha, targets, zero=False):
    """Adds a LoRA; gives {projection path: (A, B)}."""
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets))
    found = {}
    for name, module in unet.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
            torch.nn.init.normal_(a, std=1 / rank)
            torch.nn.init.zeros_(b) if zero else torch.nn.init.normal_(b, std=0.1)
            found[name] = (a, b)
    return found


def unet(name, config, sample, targets):
    torch.manual_seed(len(name))
    u = UNet2DConditionModel(**config)
    for p in u.parameters():
        if p.dim() == 1:
            p.data += 0.1 * torch.randn_like(p)
    u.save_pretrained(f"{OUT}/{name}")
    x = torch.randn(2, 4, *sample, requires_grad=True)
    t = torch.tensor([3.0, 731.0])
    c = torch.randn(2, 7, config["cross_attention_dim"], requires_grad=True)
    y = u(x, t, c).sample
    target = torch.randn_like(y)
    F.mse_loss(y, target).backward()
    g = {"sample": x, "timesteps": t, "context": c, "output": y, "target": target, "grad.sample": x.grad, "grad.context": c.grad}
    u.requires_grad_(False)
    lora = adapt(u, 4, 2, targets)
    z = u(x.detach(), t, c.detach()).sample
    loss = F.mse_loss(z, target)
    loss.backward()
    g |= {"lora.output": z, "lora.loss": loss}
    for path, (a, b) in lora.items():
        g |= {f"{path}.A": a, f"{path}.B": b, f"{path}.grad.A": a.grad, f"{path}.grad.B": b.grad}
    save(name, g)


unet("unet-a", dict(sample_size=8, cross_attention_dim=24, attention_head_dim=2, block_out_channels=(16, 32), layers_per_block=2, norm_num_groups=8,
                    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")), (8, 12), TARGETS)
unet("unet-bb", dict(sample_size=8, cross_attention_dim=20, attention_head_dim=[1, 3, 2], block_out_channels=(16, 24, 32), layers_per_block=1, norm_num_groups=4,
                     use_linear_projection=True, transformer_layers_per_block=[1, 2, 1],
                     down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                     up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")), (16, 8), ["attn2.to_k", "attn1.to_v"])

for name, widths, layers, groups in (("vae-a", (16, 32), 1, 8), ("vae-bb", (8, 16, 24), 2, 4)):
    torch.manual_seed(len(name))
    v = AutoencoderKL(block_out_channels=widths, layers_per_block=layers, norm_num_groups=groups, latent_channels=4, sample_size=32, scaling_factor=0.3,
                      down_block_types=("DownEncoderBlock2D",) * len(widths), up_block_types=("UpDecoderBlock2D",) * len(widths))
    v.save_pretrained(f"{OUT}/{name}")
    x = torch.rand(2, 3, 16, 24) * 2 - 1
    x.requires_grad_()
    d = v.encode(x).latent_dist
    (d.mean.square().mean() + d.std.square().mean()).backward()
    y = v.decode(d.mean.detach()).sample
    save(name, {"image": x, "mean": d.mean * 0.3, "std": d.std * 0.3, "grad.image": x.grad, "latents": d.mean * 0.3, "decoded": y})



def gradients(module):
    return {f"grad.{n}": p.grad for n, p in module.named_parameters() if p.grad is not None}


for name, act, width, heads, layers, length in (("clip-text-a", "quick_gelu", 24, 3, 2, 16), ("clip-text-bb", "gelu", 20, 5, 3, 12)):
    torch.manual_seed(len(name))
    m = CLIPTextModel(CLIPTextConfig(vocab_size=60, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=layers, num_attention_heads=heads,
                                     max_position_embeddings=length, hidden_act=act, projection_dim=8, bos_token_id=58, eos_token_id=59, pad_token_id=59)).eval()
    m.save_pretrained(f"{OUT}/{name}")
    ids = torch.randint(0, 58, (2, length)); ids[:, 0] = 58; ids[0, 5:] = 59; ids[1, 11:] = 59
    y = m(ids).last_hidden_state
    target = torch.randn_like(y)
    F.mse_loss(y, target).backward()
    save(name, {"ids": ids.float(), "output": y, "target": target} | gradients(m))


# Both towers, and a tokenizer whose words are their letters but for two merges.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = [*LETTERS, *(c + "</w>" for c in LETTERS), "ca", "cat</w>", "do", "dog</w>", "<unused-0>", "<unused-1>", "<|startoftext|>", "<|endoftext|>"]
MERGES = ["c a", "ca t</w>", "d o", "do g</w>"]
TEXTS = ["a cat", "two dogs in the fog"]


def tokenizer(folder, length):
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/vocab.json", "w") as f:
        json.dump({t: i for i, t in enumerate(VOCABULARY)}, f)
    with open(f"{folder}/merges.txt", "w") as f:
        f.write("\n".join(["#version: 0.2", *MERGES, ""]))
    with open(f"{folder}/tokenizer_config.json", "w") as f:
        json.dump({"tokenizer_class": "CLIPTokenizer", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
                   "unk_token": "<|endoftext|>", "model_max_length": length}, f, indent=1)


for name, act, text, vision in (
        ("clip-a", "quick_gelu", dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, max_position_embeddings=16),
         dict(hidden_size=32, num_attention_heads=2, num_hidden_layers=3, image_size=24, patch_size=8)),
        ("clip-bb", "gelu", dict(hidden_size=20, num_attention_heads=5, num_hidden_layers=1, max_position_embeddings=24),
         dict(hidden_size=18, num_attention_heads=3, num_hidden_layers=2, image_size=20, patch_size=4))):
    torch.manual_seed(len(name))
    t = dict(vocab_size=60, intermediate_size=40, hidden_act=act, bos_token_id=58, eos_token_id=59, pad_token_id=59, **text)
    m = CLIPModel(CLIPConfig(text_config=t, vision_config=dict(intermediate_size=44, hidden_act=act, **vision), projection_dim=12)).eval()
    for p in m.parameters():
        if p.dim() == 1:
            p.data += 0.1 * torch.randn_like(p)
    m.save_pretrained(f"{OUT}/{name}")
    tokenizer(f"{OUT}/{name}", text["max_position_embeddings"])
    tokens = CLIPTokenizer.from_pretrained(f"{OUT}/{name}")(TEXTS, padding="max_length", return_tensors="pt")["input_ids"]
    pictures = torch.rand(3, 3, vision["image_size"], vision["image_size"], requires_grad=True)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    y = m(input_ids=tokens, pixel_values=(pictures - mean) / std)
    images, texts = torch.randn_like(y.image_embeds), torch.randn_like(y.text_embeds)
    ((y.image_embeds * images).sum() + (y.text_embeds * texts).sum()).backward()
    save(name, {"pictures": pictures, "ids": tokens, "images": y.image_embeds, "texts": y.text_embeds, "weights.images": images, "weights.texts": texts,
                "grad.pictures": pictures.grad} | gradients(m))
