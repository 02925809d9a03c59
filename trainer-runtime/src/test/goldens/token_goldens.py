"""Goldens of textual inversion, by transformers and diffusers: a loss through new tokens, text encoders and denoiser, the gradient of
the tokens' embeddings, and the losses of ten steps of AdamW on them.

usage, from the repository's root: python trainer-runtime/src/test/goldens/token_goldens.py
The models are those of text_encoder_goldens.py. Inputs and embeddings are torch.randn of known seeds, which the Java side draws bit
for bit, so that only results are stored.
"""
import pathlib
import torch, torch.nn.functional as F
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from text_encoder_goldens import SD15, SDXL, randn

OUT = pathlib.Path("trainer-runtime/src/test/resources/token-goldens")
TEXTS = {SD15: ["a qzx in noto style, QZX", ""], SDXL: ["qzx in fog, a zzw", "a cat and qzx"]}
WORDS = {"qzx": 3, "zzw": 2}
# How their first embeddings are drawn: about as large as the vocabulary's.
DEVIATION = 0.02


def replaced(text):
    """A text with `<qzx0> <qzx1> <qzx2>` for qzx."""
    return " ".join(" ".join(f"<{w.lower().strip(',')}{i}>" for i in range(WORDS[w.lower().strip(",")])) + ("," if w.endswith(",") else "")
                    if w.lower().strip(",") in WORDS else w for w in text.split())


def case(title, folder):
    xl = folder == SDXL
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).eval().requires_grad_(False)
    encoders = [("text_encoder", "", CLIPTextModel)] + ([("text_encoder_2", "_2", CLIPTextModelWithProjection)] if xl else [])
    names = [f"<{w}{i}>" for w, n in WORDS.items() for i in range(n)]
    parts = []
    for e, (part, suffix, kind) in enumerate(encoders):
        tokenizer = CLIPTokenizer.from_pretrained(folder / f"tokenizer{suffix}")
        model = kind.from_pretrained(folder / part, dtype=torch.float32).eval().requires_grad_(False)
        assert tokenizer.add_tokens(names) == len(names)
        text = model.text_model if hasattr(model, "text_model") else model
        width = text.embeddings.token_embedding.weight.shape[1]
        rows = (randn(100 + e, len(names), width) * DEVIATION).requires_grad_(True)
        ids = torch.cat([tokenizer(replaced(t), padding="max_length", truncation=True,
                                   max_length=text.embeddings.position_embedding.weight.shape[0], return_tensors="pt").input_ids
                         for t in TEXTS[folder]])
        parts.append((part, model, text, tokenizer, rows, ids, tokenizer.convert_tokens_to_ids(names[0])))
    noisy, times = randn(1, 2, 4, 8, 16), torch.tensor([3.0, 731.0])
    target = None

    def forward():
        contexts, pooled = [], None
        for part, model, text, tokenizer, rows, ids, first in parts:
            table = text.embeddings.token_embedding
            where = (ids >= first).nonzero(as_tuple=True)
            # Not the end token, at whose first place the second encoder pools.
            known = torch.where(ids < first, ids, 0)
            embedded = table(known)
            embedded = embedded.index_put(where, rows[ids[where] - first])
            # The encoder asks its table for the tokens' embeddings: it is given these.
            table.forward, kept = (lambda _: embedded), table.forward
            out = model(known, output_hidden_states=True)
            table.forward = kept
            h = out.hidden_states[-1 - xl]
            contexts.append(h if xl else text.final_layer_norm(h))
            if part == "text_encoder_2":
                pooled = out.text_embeds
        added = None
        if xl:
            added = {"text_embeds": pooled, "time_ids": torch.tensor([[600.0, 400, 0, 50, 128, 128], [1024, 1536, 256, 0, 1024, 1024]])}
        return unet(noisy, times, torch.cat(contexts, 2), added_cond_kwargs=added).sample

    target = randn(3, *forward().shape)
    optimizer = torch.optim.AdamW([rows for _, _, _, _, rows, _, _ in parts], lr=1e-3, weight_decay=0, eps=1e-8)
    losses, golden = [], {}
    for step in range(10):
        y = forward()
        loss = F.mse_loss(y, target)
        optimizer.zero_grad()
        loss.backward()
        if step == 0:
            golden["output"] = y
            for part, _, _, _, rows, _, _ in parts:
                golden[f"{part}.grad"] = rows.grad
        losses.append(loss.item())
        optimizer.step()
    golden["losses"] = torch.tensor(losses)
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous().clone() for k, v in golden.items()}, OUT / f"{title}.safetensors")
    print(title, losses[0], losses[-1], {k: v.abs().max().item() for k, v in golden.items()})


def regularizers():
    """Gradients of the deviation's and the covariance's loss, by autograd."""
    table, e = randn(7, 40, 12) * 0.3, (randn(8, 3, 12) * 0.5).requires_grad_(True)
    deviations = table.std(1)
    mu, variance = deviations.mean(), deviations.var()
    deviation = ((mu - e.std(1)) ** 2 / (variance / mu)).mean()
    covariance = (torch.cov(table.T) - torch.cov(e.T)).norm() / e.shape[1] ** 2
    golden = {"deviation": torch.autograd.grad(deviation, e)[0], "covariance": torch.autograd.grad(covariance, e)[0]}
    save_file({k: v.contiguous() for k, v in golden.items()}, OUT / "regularizers.safetensors")


def basis():
    """Members of the span of seven embeddings, by the eigenvectors of their covariance, as Celeb Basis combines them: coefficients
    times components, and the mean."""
    e, k = randn(9, 7, 12) * 0.3 + 0.1, 3
    mean = e.mean(0)
    components = torch.linalg.eigh(torch.cov(e.T.double()))[1][:, -k:].T.float()

    def member(v):
        return torch.einsum("n k, k c -> n c", (v - mean) @ components.T, components) + mean

    golden = {"nearest": member(randn(10, 4, 12)), "mixed": member(mean + randn(11, 4, 7) @ (e - mean) / 6 ** 0.5)}
    save_file({k: v.contiguous() for k, v in golden.items()}, OUT / "basis.safetensors")


if __name__ == "__main__":
    regularizers()
    basis()
    case("sd15", SD15)
    case("sdxl", SDXL)
