"""Attention in plain torch, under the signatures of libtorch's memory-efficient kernel: what the kernel is compared with
on a card, and what stands for it on a CPU, which has no such kernel. The way back is autograd's.
"""
import torch

ATTENTION = torch.library.Library("plain", "DEF")
ATTENTION.define(
    "_efficient_attention_forward(Tensor query, Tensor key, Tensor value, Tensor? bias, Tensor? cu_seqlens_q, Tensor? cu_seqlens_k,"
    " int? max_seqlen_q, int? max_seqlen_k, float dropout_p, int custom_mask_type, bool compute_log_sumexp=False, *, float? scale=None)"
    " -> (Tensor, Tensor, Tensor, Tensor, int, int)"
)
ATTENTION.define(
    "_efficient_attention_backward(Tensor grad_out, Tensor query, Tensor key, Tensor value, Tensor? bias, Tensor out,"
    " Tensor? cu_seqlens_q, Tensor? cu_seqlens_k, int max_seqlen_q, int max_seqlen_k, Tensor logsumexp, float dropout_p,"
    " Tensor philox_seed, Tensor philox_offset, int custom_mask_type, bool bias_requires_grad, *, float? scale=None)"
    " -> (Tensor, Tensor, Tensor, Tensor)"
)


def attend(q, k, v, mask, scale):
    """softmax(q k^T scale) v of (B, T, heads, d) and (B, S, heads, d), and the logarithm of the softmax's sums (B, heads, T)."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    logits = q @ k.transpose(2, 3) * scale
    if mask:
        logits = logits.masked_fill(torch.ones_like(logits, dtype=torch.bool).triu(1), -torch.inf)
    return (logits.softmax(-1) @ v).transpose(1, 2), logits


def forward(query, key, value, bias, cu_q, cu_k, max_q, max_k, p, mask, lse, *, scale=None):
    result, logits = attend(query, key, value, mask, scale)
    none = query.new_zeros((), dtype=torch.int64)
    return result.contiguous(), logits.float().logsumexp(-1), none, none, query.size(1), key.size(1)


def backward(grad, query, key, value, bias, out, cu_q, cu_k, max_q, max_k, lse, p, seed, offset, mask, bias_grad, *, scale=None):
    with torch.enable_grad():
        inputs = [x.detach().requires_grad_() for x in (query, key, value)]
        result, _ = attend(*inputs, mask, scale)
        gradients = torch.autograd.grad(result, inputs, grad.type_as(result))
    return *(g.contiguous() for g in gradients), query.new_zeros(0)


ATTENTION.impl("_efficient_attention_forward", forward, "CompositeExplicitAutograd")
ATTENTION.impl("_efficient_attention_backward", backward, "CompositeExplicitAutograd")


def plain(source):
    """The text with attention in plain torch."""
    return source.replace("torch._efficient_attention_", "ops.plain._efficient_attention_")
