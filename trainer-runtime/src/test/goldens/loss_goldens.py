"""Goldens of losses beside that of the prediction: gradients by torch's autograd, of attention through diffusers' denoiser.

usage, from the repository's root: python trainer-runtime/src/test/goldens/loss_goldens.py
Inputs are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import pathlib
import torch, torch.nn.functional as F
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from text_encoder_goldens import SD15, randn

OUT = pathlib.Path("trainer-runtime/src/test/resources/loss-goldens")


def prompt_norm():
    """Eden's cond_reg: (m - T)^2 with m the mean norm of embeddings from position 2 on."""
    context = randn(7, 3, 9, 16).requires_grad_(True)
    mean = context.norm(dim=-1).mean(dim=0)[2:].mean()
    loss = (mean - 5.5).pow(2)
    return {"promptNorm": torch.autograd.grad(loss, context)[0]}


def prompt_distance():
    """Eden's compute_target_prompt_loss, of contexts and pooled embeddings."""
    def distance(x, y):
        return F.mse_loss(x, y) + 1 - F.cosine_similarity(x, y, dim=-1).mean()

    context, pooled = randn(9, 2, 9, 16).requires_grad_(True), randn(10, 2, 12).requires_grad_(True)
    loss = 0.2 * (distance(context, randn(11, 2, 9, 16)) + 0.25 * distance(pooled, randn(12, 2, 12)))
    gradients = torch.autograd.grad(loss, [context, pooled])
    return {"distance": loss, "distanceContext": gradients[0], "distancePooled": gradients[1]}


class Scores:
    """An attention processor that keeps, of cross-attention, the sum over heads of q k^T / sqrt(d) before the softmax."""

    def __init__(self, kept):
        self.kept = kept

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        split = lambda x: x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        products = split(q) @ split(k).transpose(-1, -2) / (q.shape[-1] / attn.heads) ** 0.5
        if encoder_hidden_states is not None and self.kept is not None:
            self.kept.append(products.sum(1))
        return attn.to_out[0]((products.softmax(-1) @ split(v)).transpose(1, 2).flatten(2))


def token_attention():
    """Eden's token_attention_loss, through diffusers' denoiser: the loss and its gradient by the context."""
    unet = UNet2DConditionModel.from_pretrained(SD15 / "unet", torch_dtype=torch.float32).eval().requires_grad_(False)
    kept = []
    unet.set_attn_processor({name: Scores(None if name.startswith("mid_block") else kept) for name in unet.attn_processors})
    h, w, prompts = 8, 16, [(7, [2, 3, 4]), (5, []), (9, [5, 6, 7])]
    context = randn(2, 3, 12, unet.config.cross_attention_dim).requires_grad_(True)
    unet(randn(1, 3, 4, h, w), torch.tensor([3.0, 731.0, 400.0]), context)
    torch.manual_seed(4)
    masks = torch.rand(3, 1, h, w)
    maps = []
    for s in kept:
        side = h
        while side * (side * w // h) > s.shape[1]:
            side //= 2
        maps.append(s.transpose(1, 2).unflatten(2, (side, side * w // h)))
    least = min((m.shape[-2:] for m in maps), key=lambda size: size[0] * size[1])
    maps = torch.stack([m if m.shape[-2:] == least else F.interpolate(m, size=tuple(least), mode="bicubic") for m in maps])
    masks = F.interpolate(masks, size=tuple(least))[:, 0]
    prompt, heat, where = [], [], []
    for b, (end, added) in enumerate(prompts):
        prompt.append((torch.relu(maps[:, b, 1:end].mean(dim=[0, 2, 3])) ** 2).mean())
        if added:
            heat.append(maps[:, b, added].mean(0))
            where.append(masks[b].expand(len(added), -1, -1))
    heat, where = torch.stack(heat), torch.stack(where)
    loss = 5 * torch.stack(prompt).mean() + (torch.relu(heat * where) ** 2).mean() \
        + 2 * (torch.relu(heat * (1 - where) + 10) ** 2).mean() + heat.mean(dim=[2, 3]).var(dim=1).mean()
    return {"attention": loss, "attentionContext": torch.autograd.grad(loss, context)[0]}


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    golden = prompt_norm() | prompt_distance() | token_attention()
    save_file({k: v.detach().contiguous().clone() for k, v in golden.items()}, OUT / "losses.safetensors")
    print({k: v.abs().max().item() for k, v in golden.items()})
