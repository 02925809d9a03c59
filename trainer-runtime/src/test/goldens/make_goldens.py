"""Makes the goldens beside the tests: python make_goldens.py, with requirements.txt installed. From the repository's root:

    python -m venv env && env/bin/pip install -r trainer-runtime/src/test/goldens/requirements.txt
    env/bin/python trainer-runtime/src/test/goldens/make_goldens.py

Random tiny networks of diffusers and transformers with inputs, outputs and gradients in fp32.
"""
import os, shutil
import torch, torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

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

for name, act in (("clip-text-a", "quick_gelu"), ("clip-text-bb", "gelu")):
    torch.manual_seed(len(name))
    m = CLIPTextModel(CLIPTextConfig(vocab_size=60, hidden_size=24, intermediate_size=48, num_hidden_layers=2, num_attention_heads=3,
                                     max_position_embeddings=16, hidden_act=act, projection_dim=8, bos_token_id=58, eos_token_id=59, pad_token_id=59)).eval()
    m.save_pretrained(f"{OUT}/{name}")
    ids = torch.randint(0, 58, (2, 16)); ids[:, 0] = 58; ids[0, 5:] = 59; ids[1, 11:] = 59
    save(name, {"ids": ids.float(), "output": m(ids).last_hidden_state})
