"""Goldens of BLIP: a random tiny one's logits and texts under greedy decoding and beams, and what the bundled one says.

usage, from the repository's root: python trainer-runtime/src/test/goldens/blip_goldens.py
Needs torch, transformers, pillow; made with transformers 5.23.0.
"""
import json, pathlib
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import BlipConfig, BlipForConditionalGeneration, BlipImageProcessor, BlipTextConfig, BlipVisionConfig, BertTokenizer

OUT = pathlib.Path("trainer-runtime/src/test/resources/goldens/blip")
OUT.mkdir(parents=True, exist_ok=True)
BUNDLED = pathlib.Path("examples/bundled")

# Four tokens of BERT's own, words, and pieces; [DEC] and [ENC] follow the vocabulary, as in BLIP.
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + \
    "a an the cat dog of in on with and photo picture red blue green , . ' s ##s ##ing play sit".split()

torch.manual_seed(0)
(OUT / "vocab.txt").write_text("\n".join(WORDS) + "\n")
vocabulary = len(WORDS) + 2
config = BlipConfig(
    text_config=BlipTextConfig(
        vocab_size=vocabulary, hidden_size=24, encoder_hidden_size=32, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=40, bos_token_id=vocabulary - 2, sep_token_id=3, eos_token_id=3,
        pad_token_id=0, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).to_dict(),
    vision_config=BlipVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, image_size=48,
        patch_size=16).to_dict(),
    projection_dim=16, image_text_hidden_size=16)
model = BlipForConditionalGeneration(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        # Larger than as initialised, so that texts differ from picture to picture, and end.
        p.copy_(torch.randn_like(p) * (0.35 if p.dim() > 1 else 0.1) + (1 if "orm" in name and name.endswith("weight") else 0))
    model.text_decoder.cls.predictions.bias[3] += 2.5
model.save_pretrained(OUT)
pixels = torch.rand(4, 3, 48, 48)
processor = BlipImageProcessor()
mean, std = torch.tensor(processor.image_mean).view(3, 1, 1), torch.tensor(processor.image_std).view(3, 1, 1)
normal = (pixels - mean) / std
prompt = [vocabulary - 2, 5, 15, 10]  # [DEC] a photo of
with torch.no_grad():
    seen = model.vision_model(pixel_values=normal)[0]
    logits = model.text_decoder(
        input_ids=torch.tensor([prompt] * 4), encoder_hidden_states=seen, encoder_attention_mask=torch.ones(seen.shape[:2]))
save_file({"pixels": pixels, "seen": seen, "logits": logits.logits}, OUT / "golden.safetensors")


def write(ids, **kwargs):
    tokens = []
    for i in range(4):
        # As BlipForConditionalGeneration.generate: a prompt ends with [SEP], which is cut off.
        with torch.no_grad():
            out = model.generate(
                pixel_values=normal[i:i + 1], input_ids=None if ids is None else torch.tensor([ids + [3]]),
                max_new_tokens=12, do_sample=False, **kwargs)
        row = out[0].tolist()[len(ids or [0]):]
        tokens.append(row[:row.index(3)] if 3 in row else row)
    return tokens


tokenizer = BertTokenizer.from_pretrained(OUT)
texts = {
    "greedy": write(None, num_beams=1), "greedy.prompt": write(prompt, num_beams=1),
    "beams3": write(None, num_beams=3, early_stopping=False, length_penalty=1.0),
    "beams5.prompt": write(prompt, num_beams=5, early_stopping=False, length_penalty=1.0),
}
result = {"prompt": "a photo of", "tokens": texts,
          "text": tokenizer.decode([8, 24, 20, 15, 21, 22], skip_special_tokens=True)}
print(json.dumps(result))

bundled = BUNDLED / "emoji-blip"
if bundled.is_dir():
    real = BlipForConditionalGeneration.from_pretrained(bundled, torch_dtype=torch.float32).eval()
    words = BertTokenizer.from_pretrained(bundled)
    process = BlipImageProcessor.from_pretrained(bundled)
    says = {}
    for file in sorted((BUNDLED / "robot").glob("*.png"))[:6] + sorted((BUNDLED / "fluent-style").glob("*.png"))[:6]:
        image = Image.open(file).convert("RGB")
        with torch.no_grad():
            out = real.generate(**process(image, return_tensors="pt"), max_new_tokens=30, num_beams=1, do_sample=False)
        says[f"{file.parent.name}/{file.name}"] = words.decode(out[0], skip_special_tokens=True)
    result["bundled"] = says
(OUT / "texts.json").write_text(json.dumps(result, indent=1) + "\n")
