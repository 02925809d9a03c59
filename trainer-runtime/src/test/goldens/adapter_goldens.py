"""Goldens of adapters with every group of targets, by peft on the tiny networks that make_goldens.py made.

usage, from the repository's root: python trainer-runtime/src/test/goldens/adapter_goldens.py
Inputs and factors are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import pathlib
import torch, torch.nn.functional as F
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file

NETWORKS = pathlib.Path("trainer-runtime/src/test/resources/goldens")
OUT = pathlib.Path("trainer-runtime/src/test/resources/adapter-goldens")
OUT.mkdir(parents=True, exist_ok=True)
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
FEED_FORWARD = ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
CONVOLUTION = ["conv1", "time_emb_proj", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"]
MASK = (1 << 64) - 1


def randn(seed, *shape):
    torch.manual_seed(seed)
    return torch.randn(*shape)


def derive(seed, step, purpose):
    """Randomness.derive."""
    h = 0xCBF29CE484222325
    for byte in f"{seed}/{step}/{purpose}".encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & MASK
    h = (h ^ h >> 27) * 0x94D049BB133111EB & MASK
    return (h ^ h >> 31) & MASK >> 1


def seeded(unet, layers, seed):
    """Lets each layer draw its masks as the Java side does, which seeds once a layer: layers is {its module: first projection}."""
    for path, first in layers.items():
        own = derive(seed, 0, "dropout/" + first)
        unet.get_submodule(path).register_forward_pre_hook(lambda *_, own=own: torch.manual_seed(own) and None)
    for module in unet.modules():
        if hasattr(module, "lora_dropout"):
            module.lora_dropout["default"].register_forward_pre_hook(as_rows)


def as_rows(module, inputs):
    """A mask is drawn in the order of memory, in which the Java side has all pictures by rows of channels."""
    x, = inputs
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.contiguous()


def layers(unet):
    found = {}
    for n, m in unet.named_modules():
        if n.endswith(("attn1", "attn2")):
            found[n] = f"{n}.to_q"
        elif n.endswith(".ff"):
            found[n] = f"{n}.net.0.proj"
        elif type(m).__name__ == "ResnetBlock2D":
            found[n] = f"{n}.conv1"
        elif n.endswith(("proj_in", "proj_out", "samplers.0.conv")):
            found[n] = n
    return found


def case(name, network, config, dropout_seed=None):
    unet = UNet2DConditionModel.from_pretrained(NETWORKS / network).to(memory_format=torch.channels_last)
    unet.requires_grad_(False)
    found = layers(unet)
    unet.add_adapter(LoraConfig(**config))
    lora = {n: m for n, m in sorted(unet.named_modules()) if hasattr(m, "lora_A") and "default" in m.lora_A}
    for i, module in enumerate(lora.values()):
        a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
        a.data.copy_(randn(1000 + i, *a.shape) / a.shape[0])
        b.data.copy_(randn(2000 + i, *b.shape) * 0.1)
        if config.get("use_dora"):
            m = module.lora_magnitude_vector["default"].weight
            m.data.copy_(0.6 + 0.1 * randn(3000 + i, *m.shape))
    if dropout_seed is not None:
        seeded(unet, found, dropout_seed)
        unet.train()
    else:
        unet.eval()
    y = unet(randn(1, 2, 4, 8, 16), torch.tensor([3.0, 731.0]), randn(2, 2, 7, unet.config.cross_attention_dim)).sample
    loss = F.mse_loss(y, randn(3, *y.shape))
    loss.backward()
    g = {"output": y, "loss": loss}
    for path, module in lora.items():
        g |= {f"{path}.grad.A": module.lora_A["default"].weight.grad, f"{path}.grad.B": module.lora_B["default"].weight.grad}
        if config.get("use_dora"):
            g[f"{path}.grad.magnitude"] = module.lora_magnitude_vector["default"].weight.grad
    save_file({k: v.detach().contiguous().clone() for k, v in g.items()}, OUT / f"{name}.safetensors")
    print(name, len(lora), "projections")


EVERYTHING = dict(r=4, lora_alpha=2, target_modules=ATTENTION + FEED_FORWARD + CONVOLUTION,
                  rank_pattern={"conv1": 2, "attn2.to_k": 3}, alpha_pattern={"conv1": 1, "attn2.to_k": 5})

if __name__ == "__main__":
    case("dropout", "unet-a", dict(r=4, lora_alpha=2, use_rslora=True, lora_dropout=0.3, target_modules=ATTENTION), dropout_seed=77)
    for network in ("unet-a", "unet-bb"):
        case(f"all-{network}", network, EVERYTHING)
        case(f"all-dropout-{network}", network, EVERYTHING | dict(lora_dropout=0.25), dropout_seed=78)
