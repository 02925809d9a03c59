"""Embeddings of a long text in chunks, as kohya's sd-scripts make them, by the tiny SDXL of sdxl_goldens.py.

usage, from the repository's root: python trainer-runtime/src/test/goldens/chunk_goldens.py
"""
import pathlib
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from chunks import joined, sequences

MODEL = pathlib.Path("trainer-runtime/src/test/resources/goldens/sdxl")
TEXTS = ["two dogs in fog and a cat on it", "a cat"]
CHUNKS = 3

contexts, pooled = [], []
for suffix, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection)):
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / f"tokenizer{suffix}")
    model = kind.from_pretrained(MODEL / f"text_encoder{suffix}", dtype=torch.float32).eval()
    rows = []
    for text in TEXTS:
        with torch.no_grad():
            out = model(sequences(tokenizer, text, CHUNKS), output_hidden_states=True)
        h = out.hidden_states[-2]
        rows.append(joined(h))
        if suffix:
            pooled.append(out.text_embeds[0])
    contexts.append(torch.stack(rows))
(MODEL / "chunks").mkdir(exist_ok=True)
save_file({"context": torch.cat(contexts, 2).contiguous(), "pooled": torch.stack(pooled)}, MODEL / "chunks" / "golden.safetensors")
