"""The tiny SDXL of sdxl_goldens.py as one file in the original code's names, proven by diffusers' own conversion back.

usage, from the repository's root: python trainer-runtime/src/test/goldens/single_goldens.py
"""
import json, pathlib, re
import torch
from diffusers.loaders import single_file_utils as theirs
from safetensors.torch import load_file, save_file

MODEL = pathlib.Path("trainer-runtime/src/test/resources/goldens/sdxl")
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def unet(name, config):
    each = config["layers_per_block"] + 1
    for ours, original in (("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"), ("add_embedding.linear_1", "label_emb.0.0"),
                           ("add_embedding.linear_2", "label_emb.0.2"), ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2")):
        if name.startswith(ours + "."):
            return original + name[len(ours):]
    kind, block, part, layer, rest = re.match(r"(down|mid|up)_block[s]?\.?(\d*)\.(\w+)\.(\d+)\.(.*)", name).groups()
    layer = int(layer)
    if part == "resnets":
        first, rest = rest.split(".", 1)
        rest = f"{RESNET[first]}.{rest}"
    if kind == "mid":
        return f"middle_block.{1 if part == 'attentions' else 2 * layer}.{rest}"
    block = int(block)
    place = {"resnets": "0", "attentions": "1"}.get(part)
    if kind == "down":
        return f"input_blocks.{(block + 1) * each}.0.op.{rest[5:]}" if part == "downsamplers" else f"input_blocks.{1 + block * each + layer}.{place}.{rest}"
    if part == "upsamplers":
        attends = config["up_block_types"][block] != "UpBlock2D"
        return f"output_blocks.{block * each + each - 1}.{2 if attends else 1}.{rest}"
    return f"output_blocks.{block * each + layer}.{place}.{rest}"


def vae(name, config):
    levels = len(config["block_out_channels"])
    name = re.sub(r"up_blocks\.(\d)", lambda m: f"up.{levels - 1 - int(m[1])}", name)
    for a, b in (("down_blocks.", "down."), (".resnets.", ".block."), ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"), ("mid_block.block.0", "mid.block_1"),
                 ("mid_block.block.1", "mid.block_2"), ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_q", "q"),
                 ("to_k", "k"), ("to_v", "v"), ("conv_norm_out", "norm_out"), ("conv_shortcut", "nin_shortcut")):
        name = name.replace(a, b)
    return name


def open_clip(tensors):
    result = {}
    for name, value in tensors.items():
        if "self_attn" in name and "out_proj" not in name:
            continue
        for a, b in (("text_model.embeddings.token_embedding", "token_embedding"), ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
                     ("text_model.final_layer_norm", "ln_final"), ("text_model.encoder.layers", "transformer.resblocks"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                     ("self_attn.out_proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj")):
            name = name.replace(a, b)
        result["text_projection" if name.startswith("text_projection") else name] = value.T if name.startswith("text_projection") else value
    for i in range(sum(n.endswith("layer_norm1.bias") for n in tensors)):
        for kind in ("weight", "bias"):
            parts = [tensors[f"text_model.encoder.layers.{i}.self_attn.{p}_proj.{kind}"] for p in "qkv"]
            result[f"transformer.resblocks.{i}.attn.in_proj_{kind}"] = torch.cat(parts)
    return result


def read(part, stem="diffusion_pytorch_model"):
    return load_file(MODEL / part / f"{stem}.safetensors"), json.loads((MODEL / part / "config.json").read_text())


def same(converted, tensors):
    assert set(tensors) <= set(converted), sorted(set(tensors) - set(converted))
    for name, value in tensors.items():
        assert torch.equal(converted[name].reshape(value.shape), value), name


single = {}
tensors, config = read("unet")
single |= {f"model.diffusion_model.{unet(n, config)}": v for n, v in tensors.items()}
same(theirs.convert_ldm_unet_checkpoint(dict(single), config), tensors)
tensors, config = read("vae")
first = {f"first_stage_model.{vae(n, config)}": v[:, :, None, None] if re.search(r"attentions.*to_.*weight", n) else v for n, v in tensors.items()}
same(theirs.convert_ldm_vae_checkpoint(dict(first), config), tensors)
single |= first
one, _ = read("text_encoder", "model")
single |= {f"conditioner.embedders.0.transformer.text_model.{n.removeprefix('text_model.')}": v for n, v in one.items()}
two, _ = read("text_encoder_2", "model")
single |= {f"conditioner.embedders.1.model.{n}": v for n, v in open_clip(two).items()}
single |= {"conditioner.embedders.1.model.logit_scale": torch.tensor(4.6).half(), "v_pred": torch.zeros(0)}
save_file({k: v.contiguous() for k, v in single.items()}, MODEL / "single.safetensors")
print(len(single), "tensors")
