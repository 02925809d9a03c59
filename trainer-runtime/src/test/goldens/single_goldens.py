"""Where single files of the original code keep each tensor of a diffusers model, and token ids of CLIP's own vocabulary.

usage, from the repository's root: python trainer-runtime/src/test/goldens/single_goldens.py

For Stable Diffusion 1.5 and SDXL at full size, and for two tiny models with the same rules, the models' tensors are given
their original names by the functions below, and then diffusers' own conversion must make of them exactly what the models
have: the same names, the same shapes and, for the tiny ones, whose tensors all differ, the same values.
"""
import gzip, json, pathlib, re, tempfile
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as theirs
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

ROOT = pathlib.Path("trainer-runtime/src")
OUT = ROOT / "test/resources/goldens/single"
VOCABULARY = ROOT / "main/resources/training/lora/trainer/model/text/clip-bpe.txt.gz"
TEXTS = ["a photo of a cat", "Hello world!", "", "It's 2024, they'll pay $3.50...", "naïve café, ÅNGSTRÖM", "猫のイラスト 🐈‍⬛ (masterpiece:1.2)", "tab\tand\n\nlines", "l'été <lora:x:1> _under_score_", "supercalifragilisticexpialidocious"]
TEXT = {"vocab_size": 49408, "max_position_embeddings": 77, "hidden_act": "quick_gelu"}
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}

SD15 = dict(
    unet=dict(sample_size=64, cross_attention_dim=768, attention_head_dim=8, block_out_channels=(320, 640, 1280, 1280), layers_per_block=2),
    vae=dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2),
    text=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12))
SDXL = dict(
    unet=dict(sample_size=128, cross_attention_dim=2048, attention_head_dim=[5, 10, 20], block_out_channels=(320, 640, 1280), layers_per_block=2,
              use_linear_projection=True, transformer_layers_per_block=[1, 2, 10], addition_embed_type="text_time", addition_time_embed_dim=256,
              projection_class_embeddings_input_dim=2816, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
              up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")),
    vae=SD15["vae"], text=SD15["text"],
    text_2=dict(hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20, hidden_act="gelu", projection_dim=1280))
TINY_SD15 = dict(
    unet=dict(sample_size=64, cross_attention_dim=64, attention_head_dim=8, block_out_channels=(32, 64), layers_per_block=1,
              down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")),
    vae=dict(block_out_channels=(32, 32, 64), layers_per_block=1),
    text=dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=1))
TINY_SDXL = dict(
    unet=dict(sample_size=128, cross_attention_dim=192, attention_head_dim=[1, 1, 2], block_out_channels=(32, 64, 128), layers_per_block=1,
              use_linear_projection=True, transformer_layers_per_block=[1, 1, 2], addition_embed_type="text_time", addition_time_embed_dim=256,
              projection_class_embeddings_input_dim=1536 + 80, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
              up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")),
    vae=TINY_SD15["vae"], text=TINY_SD15["text"],
    text_2=dict(hidden_size=128, intermediate_size=160, num_hidden_layers=2, num_attention_heads=2, hidden_act="gelu", projection_dim=80))

# What the files have beside the networks.
MORE = {"v1": {"cond_stage_model.transformer.text_model.embeddings.position_ids": (1, 77), "betas": (1000,), "model_ema.decay": ()},
        "xl": {"conditioner.embedders.0.transformer.text_model.embeddings.position_ids": (1, 77), "conditioner.embedders.1.model.logit_scale": (), "denoiser.sigmas": (1000,)}}


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


def clip(name):
    return "text_model." + name.removeprefix("text_model.")


def open_clip(name):
    joined = re.match(r"text_model\.encoder\.layers\.(\d+)\.self_attn\.[qkv]_proj\.(\w+)", name)
    if joined:
        return f"transformer.resblocks.{joined[1]}.attn.in_proj_{joined[2]}"
    for a, b in (("text_model.embeddings.token_embedding", "token_embedding"), ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
                 ("text_model.final_layer_norm", "ln_final"), ("text_model.encoder.layers", "transformer.resblocks"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                 ("self_attn.out_proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("text_projection.weight", "text_projection")):
        name = name.replace(a, b)
    return name


def models(spec):
    """The networks by their folders."""
    def text(config, kind):
        return kind(CLIPTextConfig(**{**TEXT, **config}))
    levels = len(spec["vae"]["block_out_channels"])
    result = {"unet": UNet2DConditionModel(**spec["unet"]),
              "vae": AutoencoderKL(**spec["vae"], latent_channels=4, down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels),
              "text_encoder": text(spec["text"], CLIPTextModel)}
    if "text_2" in spec:
        result["text_encoder_2"] = text(spec["text_2"], CLIPTextModelWithProjection)
    return result


def configs(nets, spec):
    """What the models' config.json say, as far as sizes and settings go."""
    result = {part: {k: nets[part].config[k] for k in (*keys, "norm_num_groups", "block_out_channels", "layers_per_block", "down_block_types", "up_block_types")}
              for part, keys in (("unet", [*spec["unet"], "in_channels", "out_channels", "transformer_layers_per_block", "use_linear_projection"]), ("vae", ["latent_channels"]))}
    text = {"text_encoder": spec["text"], "text_encoder_2": spec.get("text_2")}
    return result | {part: {**TEXT, **of} for part, of in text.items() if of}


def how(value, source):
    """What has to be done with the source to have the value."""
    if value.shape == source.shape and torch.equal(value, source):
        return "whole"
    if source.dim() == 4 and torch.equal(value, source[:, :, 0, 0]):
        return "squeezed"
    for i in range(3):
        if torch.equal(value, source.chunk(3)[i]):
            return f"rows{i}"
    assert torch.equal(value, source.T)
    return "transposed"


def table(name, spec, device):
    with torch.device(device):
        torch.manual_seed(21)
        nets = models(spec)
    # At full size there are shapes alone.
    full = device == "meta"
    state = {part: {k: v if full else torch.rand_like(v) for k, v in net.state_dict().items() if not k.endswith("position_ids")} for part, net in nets.items()}
    xl = "text_encoder_2" in nets
    u, v = nets["unet"].config, nets["vae"].config
    places = {"unet": lambda k: f"model.diffusion_model.{unet(k, u)}", "vae": lambda k: f"first_stage_model.{vae(k, v)}",
              "text_encoder": lambda k: ("conditioner.embedders.0" if xl else "cond_stage_model") + f".transformer.{clip(k)}",
              "text_encoder_2": lambda k: f"conditioner.embedders.1.model.{open_clip(k)}"}
    single = {}
    for part, tensors in state.items():
        for k, t in tensors.items():
            if part == "vae" and re.search(r"attentions.*(to_|query|key|value|proj).*weight", k):
                t = t[:, :, None, None]
            if part == "text_encoder_2" and k == "text_projection.weight":
                t = t.T
            if part == "text_encoder_2" and "q_proj" in k:
                t = torch.cat([tensors[k.replace("q_proj", f"{p}_proj")] for p in "qkv"])
            if "k_proj" not in k and "v_proj" not in k or part != "text_encoder_2":
                single[places[part](k)] = t
    converted = {"unet": theirs.convert_ldm_unet_checkpoint(dict(single), u), "vae": theirs.convert_ldm_vae_checkpoint(dict(single), v),
                 "text_encoder": theirs.convert_ldm_clip_checkpoint(dict(single))}
    if xl:
        converted["text_encoder_2"] = theirs.convert_open_clip_checkpoint(nets["text_encoder_2"], dict(single), prefix="conditioner.embedders.1.model.")
    rows = []
    for part, tensors in state.items():
        bare = {k if k in tensors else k.removeprefix("text_model."): t for k, t in converted[part].items()}
        assert set(bare) == set(tensors), (part, sorted(set(bare) ^ set(tensors)))
        for k, t in tensors.items():
            assert bare[k].shape == t.shape and (full or torch.equal(bare[k], t)), k
            key = places[part](k)
            rows.append((part, k, t.shape, key, single[key].shape, "-" if full else how(t, single[key])))
    for key, shape in MORE["xl" if xl else "v1"].items():
        rows.append(("-", "-", (), key, shape, "-"))
    assert {r[3] for r in rows if r[0] != "-"} == set(single)
    text = "".join("\t".join((part, k, "x".join(map(str, s)), key, "x".join(map(str, t)), way)) + "\n" for part, k, s, key, t, way in rows)
    (OUT / f"{name}.tsv.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(name, len(single), "tensors")
    return {name: configs(nets, spec)}


def tokens():
    """Ids by transformers, whose vocabulary is made here of the merges, as OpenAI's simple_tokenizer.py makes it."""
    merges = gzip.decompress(VOCABULARY.read_bytes()).decode().split("\n")[1:49152 - 256 - 2 + 1]
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    words = letters + [c + "</w>" for c in letters] + [m.replace(" ", "") for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    assert len(words) == 49408
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        (place / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}))
        (place / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
        tokenizer = CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt"), model_max_length=77)
        for text in TEXTS:
            result[text] = tokenizer(text, padding="max_length", truncation=True).input_ids
    (OUT / "tokens.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    tokens()
    described = table("sd15", SD15, "meta") | table("sdxl", SDXL, "meta") | table("tiny-sd15", TINY_SD15, "cpu") | table("tiny-sdxl", TINY_SDXL, "cpu")
    (OUT / "configs.json").write_text(json.dumps(described, indent=1) + "\n")
