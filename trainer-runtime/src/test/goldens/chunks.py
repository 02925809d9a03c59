"""Long texts in chunks, as kohya's sd-scripts cut and join them."""
import torch


def sequences(tokenizer, text, count):
    """sd-scripts' BaseDataset.get_input_ids: begin and end around the whole, cut into chunks, and begin and end around each."""
    room = tokenizer.model_max_length - 2
    ids = tokenizer(text, truncation=True, max_length=count * room + 2)["input_ids"]
    ids = ids + [tokenizer.pad_token_id] * (count * room + 2 - len(ids))
    chunks = []
    for i in range(1, count * room + 1, room):
        chunk = [ids[0], *ids[i:i + room], ids[-1]]
        if tokenizer.pad_token_id != tokenizer.eos_token_id:
            if chunk[-2] not in (tokenizer.eos_token_id, tokenizer.pad_token_id):
                chunk[-1] = tokenizer.eos_token_id
            if chunk[1] == tokenizer.pad_token_id:
                chunk[1] = tokenizer.eos_token_id
        chunks.append(chunk)
    return torch.tensor(chunks)


def joined(chunks):
    """The hidden states of a text's chunks as one sequence: the first begin, all insides, the last end."""
    return torch.cat([chunks[0, :1], *[c[1:-1] for c in chunks], chunks[-1, -1:]])
