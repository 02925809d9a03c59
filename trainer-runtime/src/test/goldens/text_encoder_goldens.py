"""Goldens of trained text encoders, by peft: a loss through tokens, text encoders and denoiser, and the gradient of every adapter.

usage, from the repository's root: python trainer-runtime/src/test/goldens/text_encoder_goldens.py
The models are the bundled one and the tiny SDXL of sdxl_goldens.py. Inputs and factors are torch.randn of known seeds, which the
Java side draws bit for bit, so that only results are stored.
"""
import pathlib
import torch, torch.nn.functional as F
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from chunks import joined, sequences

SD15 = pathlib.Path("examples/bundled/emoji-sd")
SDXL = pathlib.Path("trainer-runtime/src/test/resources/goldens/sdxl")
OUT = pathlib.Path("trainer-runtime/src/test/resources/text-encoder-goldens")
TEXTS = {SD15: ["a cat face in noto style " * 8, ""], SDXL: ["two dogs in fog and a cat on it", "a cat"]}
TARGETS = dict(
    text_encoder=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
    text_encoder_2=["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
    unet=["mid_block.attentions.0.transformer_blocks.0.attn2.to_k", "mid_block.attentions.0.transformer_blocks.0.attn2.to_v"])


def randn(seed, *shape):
    torch.manual_seed(seed)
    return torch.randn(*shape)


def embedding(model, folder, suffix, xl, texts, count, skip):
    """Of texts in chunks: what the denoiser is given, and the pooled embedding of each first chunk."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / f"tokenizer{suffix}")
    rows, pooled = [], []
    for text in texts:
        out = model(sequences(tokenizer, text, count), output_hidden_states=True)
        h = out.hidden_states[-1 - skip - xl]
        if not xl:
            h = (model.text_model if hasattr(model, "text_model") else model).final_layer_norm(h)
        rows.append(joined(h))
        if suffix:
            pooled.append(out.text_embeds[0])
    return torch.stack(rows), torch.stack(pooled) if suffix else None


def name(part, path):
    """As the trainer has it: transformers 5 left text_model. out of the first encoder."""
    if part == "unet":
        return path
    return f"{part}.{path if path.startswith('text_model.') else 'text_model.' + path}"


def case(title, folder, count, skip):
    xl = folder == SDXL
    parts = {"unet": UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32),
             "text_encoder": CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)}
    if xl:
        parts["text_encoder_2"] = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", dtype=torch.float32)
    lora = {}
    for part, model in parts.items():
        model.eval().requires_grad_(False)
        model.add_adapter(LoraConfig(r=4, lora_alpha=2, target_modules=TARGETS[part], rank_pattern={"fc1": 2}, alpha_pattern={"fc1": 3}))
        lora |= {name(part, n): m for n, m in model.named_modules() if hasattr(m, "lora_A") and "default" in m.lora_A}
    for i, path in enumerate(sorted(lora)):
        a, b = lora[path].lora_A["default"].weight, lora[path].lora_B["default"].weight
        a.data.copy_(randn(1000 + i, *a.shape) / a.shape[0])
        b.data.copy_(randn(2000 + i, *b.shape) * 0.1)
    embeddings = [embedding(model, folder, part.removeprefix("text_encoder"), xl, TEXTS[folder], count, skip)
                  for part, model in parts.items() if part != "unet"]
    context, pooled = torch.cat([c for c, _ in embeddings], 2), embeddings[-1][1]
    context.retain_grad()
    added = None
    if xl:
        pooled.retain_grad()
        added = {"text_embeds": pooled, "time_ids": torch.tensor([[600.0, 400, 0, 50, 128, 128], [1024, 1536, 256, 0, 1024, 1024]])}
    y = parts["unet"](randn(1, 2, 4, 8, 16), torch.tensor([3.0, 731.0]), context, added_cond_kwargs=added).sample
    loss = F.mse_loss(y, randn(3, *y.shape))
    loss.backward()
    g = {"output": y, "grad.context": context.grad} | ({"grad.pooled": pooled.grad} if xl else {})
    for path, module in lora.items():
        for factor, weight in (("A", module.lora_A["default"].weight), ("B", module.lora_B["default"].weight)):
            # What stands behind the last layer that is read has no gradient.
            g[f"{path}.grad.{factor}"] = torch.zeros_like(weight) if weight.grad is None else weight.grad
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous().clone() for k, v in g.items()}, OUT / f"{title}.safetensors")
    print(title, len(lora), "projections, loss", loss.item(), "gradient of the context", context.grad.abs().max().item())


if __name__ == "__main__":
    case("sd15", SD15, 1, 0)
    case("sd15-chunks", SD15, 2, 1)
    case("sdxl", SDXL, 1, 0)
    case("sdxl-chunks", SDXL, 3, 1)
