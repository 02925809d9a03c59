"""Embeddings of a long text in chunks, as kohya's sd-scripts make them, by the tiny SDXL of sdxl_goldens.py.

usage, from the repository's root: python trainer-runtime/src/test/goldens/chunk_goldens.py
"""
import pathlib
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

MODEL = pathlib.Path("trainer-runtime/src/test/resources/goldens/sdxl")
TEXTS = ["two dogs in fog and a cat on it", "a cat"]
CHUNKS = 3


def sequences(tokenizer, text):
    """sd-scripts' BaseDataset.get_input_ids: begin and end around the whole, cut into chunks, and begin and end around each."""
    room = tokenizer.model_max_length - 2
    ids = tokenizer(text, truncation=True, max_length=CHUNKS * room + 2)["input_ids"]
    ids = ids + [tokenizer.pad_token_id] * (CHUNKS * room + 2 - len(ids))
    chunks = []
    for i in range(1, CHUNKS * room + 1, room):
        chunk = [ids[0], *ids[i:i + room], ids[-1]]
        if tokenizer.pad_token_id != tokenizer.eos_token_id:
            if chunk[-2] not in (tokenizer.eos_token_id, tokenizer.pad_token_id):
                chunk[-1] = tokenizer.eos_token_id
            if chunk[1] == tokenizer.pad_token_id:
                chunk[1] = tokenizer.eos_token_id
        chunks.append(chunk)
    return torch.tensor(chunks)


contexts, pooled = [], []
for suffix, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection)):
    tokenizer = CLIPTokenizer.from_pretrained(MODEL / f"tokenizer{suffix}")
    model = kind.from_pretrained(MODEL / f"text_encoder{suffix}", dtype=torch.float32).eval()
    rows = []
    for text in TEXTS:
        with torch.no_grad():
            out = model(sequences(tokenizer, text), output_hidden_states=True)
        h = out.hidden_states[-2]
        rows.append(torch.cat([h[0, :1], *[c[1:-1] for c in h], h[-1, -1:]]))
        if suffix:
            pooled.append(out.text_embeds[0])
    contexts.append(torch.stack(rows))
(MODEL / "chunks").mkdir(exist_ok=True)
save_file({"context": torch.cat(contexts, 2).contiguous(), "pooled": torch.stack(pooled)}, MODEL / "chunks" / "golden.safetensors")
