"""Goldens of Florence-2: a random tiny one, exported to ONNX in the files and with the names of the published export
(onnx-community/Florence-2-base), with the logits and texts that transformers makes of it.

usage, from the repository's root: python trainer-runtime/src/test/goldens/florence_goldens.py
Needs torch, transformers, tokenizers, pillow, onnx, onnxruntime; made with torch 2.7.1, transformers 5.24.0, onnx 1.23.2.
"""
import json, math, pathlib
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from torch.nn import functional as F
from transformers import BartConfig, Florence2Config, Florence2ForConditionalGeneration, Florence2VisionConfig

OUT = pathlib.Path("trainer-runtime/src/test/resources/goldens/florence")
(OUT / "onnx").mkdir(parents=True, exist_ok=True)
SIDE, WIDTH, HEADS, LAYERS = 64, 16, 2, 2
TASKS = {
    "Caption": "What does the image describe?",
    "Detailed": "Describe in detail what is shown in the image.",
    "MoreDetailed": "Describe with a paragraph what is shown in the image.",
}

# BART's tokenizer: bytes, and merges of a few sentences; the four tokens come first, Florence-2's own last.
pieces = Tokenizer(models.BPE())
pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
pieces.decoder = decoders.ByteLevel()
pieces.train_from_iterator(
    list(TASKS.values()) + ["a photo of a red cat", "A dog and two cats on green grass.", "the image shows a blue bird"],
    trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
pieces.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
pieces.add_special_tokens(["<loc_0>", "<loc_1>", "<image>"])
pieces.save(str(OUT / "tokenizer.json"))
VOCABULARY = pieces.get_vocab_size()
IMAGE = pieces.token_to_id("<image>")

torch.manual_seed(0)
text_config = BartConfig(
    vocab_size=VOCABULARY, d_model=WIDTH, encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_attention_heads=HEADS,
    decoder_attention_heads=HEADS, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=64, dropout=0.0,
    attention_dropout=0.0, activation_dropout=0.0, tie_word_embeddings=False)
config = Florence2Config(
    text_config=text_config.to_dict(),
    vision_config=Florence2VisionConfig(
        depths=[1, 1, 1, 1], embed_dim=[8, 8, 16, 16], num_heads=[2, 2, 2, 2], num_groups=[2, 2, 2, 2], window_size=3,
        mlp_ratio=2.0, projection_dim=WIDTH, drop_path_rate=0.0).to_dict(),
    image_token_id=IMAGE, tie_word_embeddings=False)
model = Florence2ForConditionalGeneration(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        # Larger than as initialised, so that texts differ from picture to picture, and end.
        scale = 0.3 if "vision" in name else 0.7 if "positions" in name or "encoder_attn" in name else 0.45
        p.copy_(torch.randn_like(p) * (scale if p.dim() > 1 else 0.1)
                + (1 if "norm" in name and name.endswith("weight") else 0))
    # One embedding for both, as in the published ones; the head alone is another, for more variety.
    words = model.get_input_embeddings().weight
    model.model.language_model.encoder.embed_tokens.weight.copy_(words)
    model.model.language_model.decoder.embed_tokens.weight.copy_(words)
    # The end is a little likelier than chance, so that some texts end early.
    bias = model.model.language_model.decoder.layers[-1].final_layer_norm.bias
    bias.mul_(2)
    for token, number in pieces.get_vocab().items():
        letters = token.replace("\u0120", "a")
        if not (letters.isascii() and letters.isalpha()):
            # Half a letter is none that can be read.
            model.lm_head.weight[number] = -2 * bias / (bias @ bias)
    model.lm_head.weight[2] = torch.randn(WIDTH) * 0.45 + 1.3 * bias / (bias @ bias)
published = dict(
    bos_token_id=0, decoder_start_token_id=2, early_stopping=True, eos_token_id=2, forced_bos_token_id=0,
    forced_eos_token_id=2, no_repeat_ngram_size=3, num_beams=3, pad_token_id=1)
for name, value in published.items():
    setattr(model.generation_config, name, value)
embed = model.get_input_embeddings()
encoder, decoder, head = model.model.language_model.encoder, model.model.language_model.decoder, model.lm_head


# What is exported: written out from the weights, since tracing meets the caches and masks of transformers' own.
def heads(x):
    return x.reshape(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)


def attend(layer, x, k, v, mask=None):
    weights = torch.softmax(heads(layer.q_proj(x)) @ k.transpose(2, 3) / math.sqrt(WIDTH // HEADS) + (0 if mask is None else mask), -1)
    return layer.out_proj((weights @ v).transpose(1, 2).reshape(x.shape[0], -1, WIDTH))


def feed(layer, x):
    return layer.final_layer_norm(x + layer.fc2(F.gelu(layer.fc1(x))))


def masked(mask):
    return (1.0 - mask[:, None, None, :].float()) * -1e9


class Vision(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = model.model

    def forward(self, pixel_values):
        return self.model.get_image_features(pixel_values).pooler_output


class Embed(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = embed

    def forward(self, input_ids):
        return self.embed(input_ids)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = encoder

    def forward(self, attention_mask, inputs_embeds):
        at = torch.arange(inputs_embeds.shape[1]) + 2
        x = self.model.layernorm_embedding(inputs_embeds + F.embedding(at, self.model.embed_positions.weight))
        for layer in self.model.layers:
            a = layer.self_attn
            y = attend(a, x, heads(a.k_proj(x)), heads(a.v_proj(x)), masked(attention_mask))
            x = feed(layer, layer.self_attn_layer_norm(x + y))
        return x


class Decoder(nn.Module):
    """The first step, which reads any number of tokens."""

    def __init__(self):
        super().__init__()
        self.model = decoder
        self.head = head
        self.register_buffer("bias", model.final_logits_bias if hasattr(model, "final_logits_bias") else torch.zeros(1, VOCABULARY))

    def forward(self, encoder_attention_mask, encoder_hidden_states, inputs_embeds, *past):
        before = past[0].shape[2] if past else 0
        count = inputs_embeds.shape[1]
        at = torch.arange(count) + before + 2
        x = self.model.layernorm_embedding(inputs_embeds + F.embedding(at, self.model.embed_positions.weight))
        causal = None if past else torch.triu(torch.full((count, count), -1e9), 1)
        present = []
        for i, layer in enumerate(self.model.layers):
            a, c = layer.self_attn, layer.encoder_attn
            k, v = heads(a.k_proj(x)), heads(a.v_proj(x))
            if past:
                k, v = torch.cat([past[4 * i], k], 2), torch.cat([past[4 * i + 1], v], 2)
                ck, cv = past[4 * i + 2], past[4 * i + 3]
            else:
                ck, cv = heads(c.k_proj(encoder_hidden_states)), heads(c.v_proj(encoder_hidden_states))
            x = layer.self_attn_layer_norm(x + attend(a, x, k, v, causal))
            x = layer.encoder_attn_layer_norm(x + attend(c, x, ck, cv, masked(encoder_attention_mask)))
            x = feed(layer, x)
            present += [k, v] if past else [k, v, ck, cv]
        return (self.head(x) + self.bias, *present)


KINDS = ["decoder.key", "decoder.value", "encoder.key", "encoder.value"]
PRESENT = [f"present.{i}.{kind}" for i in range(LAYERS) for kind in KINDS]
PAST = [f"past_key_values.{i}.{kind}" for i in range(LAYERS) for kind in KINDS]


def export(module, file, inputs, input_names, output_names, axes):
    torch.onnx.export(
        module.eval(), inputs, str(OUT / "onnx" / file), input_names=input_names, output_names=output_names,
        dynamic_axes={name: axes[name] for name in input_names + output_names if name in axes}, opset_version=14,
        do_constant_folding=True, dynamo=False)


AXES = {
    "pixel_values": {0: "batch_size", 2: "height", 3: "width"},
    "image_features": {0: "batch_size"},
    "input_ids": {0: "batch_size", 1: "sequence_length"},
    "attention_mask": {0: "batch_size", 1: "encoder_sequence_length"},
    "encoder_attention_mask": {0: "batch_size", 1: "encoder_sequence_length"},
    "last_hidden_state": {0: "batch_size", 1: "encoder_sequence_length"},
    "encoder_hidden_states": {0: "batch_size", 1: "encoder_sequence_length"},
    "logits": {0: "batch_size", 1: "decoder_sequence_length"},
} | {name: {0: "batch_size", 2: "encoder_sequence_length" if "encoder" in name else "past_decoder_sequence_length"} for name in PAST + PRESENT}

pixels = torch.rand(2, 3, SIDE, SIDE)
export(Vision(), "vision_encoder.onnx", (pixels,), ["pixel_values"], ["image_features"], AXES)
with torch.no_grad():
    features = Vision()(pixels)
export(Embed(), "embed_tokens.onnx", (torch.tensor([[0, 5, 6], [0, 7, 8]]),), ["input_ids"], ["inputs_embeds"],
       AXES | {"inputs_embeds": {0: "batch_size", 1: "sequence_length"}})
mask = torch.ones(2, 8, dtype=torch.int64)
embedded = torch.randn(2, 8, WIDTH)
export(Encoder(), "encoder_model.onnx", (mask, embedded), ["attention_mask", "inputs_embeds"], ["last_hidden_state"],
       AXES | {"inputs_embeds": {0: "batch_size", 1: "encoder_sequence_length"}})
FIXED = ["encoder_attention_mask", "encoder_hidden_states", "inputs_embeds"]
begun = AXES | {"inputs_embeds": {0: "batch_size", 1: "decoder_sequence_length"}}
export(Decoder(), "without.onnx", (mask, embedded, torch.randn(2, 3, WIDTH)), FIXED, ["logits"] + PRESENT, begun)
cache = [torch.randn(2, HEADS, 8 if "encoder" in name else 3, WIDTH // HEADS) for name in PAST]
export(Decoder(), "with.onnx", (mask, embedded, torch.randn(2, 1, WIDTH), *cache), FIXED + PAST,
       ["logits"] + [name for name in PRESENT if ".decoder." in name], begun)


def merge():
    """decoder_model_merged.onnx: both steps in the branches of an If over shared weights, as optimum merges them. With the
    cache, the keys and values of what is seen come out empty."""
    weights, branches = {}, {}
    for name in ["without", "with"]:
        graph = onnx.load(OUT / "onnx" / f"{name}.onnx").graph
        renamed = {}
        for tensor in graph.initializer:
            content = (tensor.data_type, tuple(tensor.dims), onnx.numpy_helper.to_array(tensor).tobytes())
            if content not in weights:
                kept = onnx.TensorProto()
                kept.CopyFrom(tensor)
                kept.name = f"w{len(weights)}"
                weights[content] = kept
            renamed[tensor.name] = weights[content].name
        given = {i.name for i in graph.input}
        results = {o.name: f"{name}/{o.name}" for o in graph.output}
        for node in graph.node:
            for side in (node.input, node.output):
                for i, value in enumerate(side):
                    side[i] = renamed.get(value) or (value if value in given or not value else results.get(value, f"{name}/{value}"))
            node.name = f"{name}/{node.name}"
        nodes = list(graph.node)
        outputs = []
        for output in ["logits"] + PRESENT:
            if output not in results:
                results[output] = f"{name}/{output}"
                empty = helper.make_tensor("empty", TensorProto.FLOAT, [0, HEADS, 1, WIDTH // HEADS], [])
                nodes.append(helper.make_node("Constant", [], [results[output]], value=empty))
            outputs.append(helper.make_tensor_value_info(results[output], TensorProto.FLOAT, None))
        branches[name] = helper.make_graph(nodes, name, [], outputs)
    without = onnx.load(OUT / "onnx/without.onnx").graph
    # The step with a cache does not read encoder_hidden_states, and is exported without.
    inputs = {i.name: i for i in [*onnx.load(OUT / "onnx/with.onnx").graph.input, *without.input]}
    inputs = [inputs[name] for name in FIXED + PAST]
    inputs.append(helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1]))
    outputs = {o.name: o for o in without.output}
    whole = helper.make_graph(
        [helper.make_node("If", ["use_cache_branch"], ["logits"] + PRESENT, then_branch=branches["with"],
                          else_branch=branches["without"])],
        "merged", inputs, [outputs[name] for name in ["logits"] + PRESENT], initializer=list(weights.values()))
    merged = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    onnx.save(merged, OUT / "onnx/decoder_model_merged.onnx")
    for name in ["without", "with"]:
        (OUT / "onnx" / f"{name}.onnx").unlink()


merge()
for file in (OUT / "onnx").glob("*.onnx"):
    # Names are most of such a small file.
    short = onnx.load(file)
    kept = {v.name for v in [*short.graph.input, *short.graph.output]}
    names = {}

    def shorten(graph):
        for tensor in graph.initializer:
            tensor.name = names.setdefault(tensor.name, f"v{len(names)}")
        for node in graph.node:
            node.name, node.doc_string = "", ""
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    shorten(attribute.g)
            for side in (node.input, node.output):
                for i, value in enumerate(side):
                    if value and value not in kept:
                        side[i] = names.setdefault(value, f"v{len(names)}")
        for output in graph.output:
            output.name = names.get(output.name, output.name)

    shorten(short.graph)
    onnx.checker.check_model(short)
    onnx.save(short, file)

(OUT / "config.json").write_text(json.dumps({
    "model_type": "florence2", "is_encoder_decoder": True, "vocab_size": VOCABULARY, "projection_dim": WIDTH,
    "text_config": {"model_type": "florence2_language", "max_position_embeddings": 64, "d_model": WIDTH,
                    "decoder_layers": LAYERS, "decoder_attention_heads": HEADS, "vocab_size": VOCABULARY}}, indent=1) + "\n")
(OUT / "generation_config.json").write_text(json.dumps(published, indent=1) + "\n")
(OUT / "preprocessor_config.json").write_text(json.dumps({
    "do_center_crop": False, "do_normalize": True, "do_rescale": True, "do_resize": True,
    "image_processor_type": "CLIPImageProcessor", "image_seq_length": features.shape[1],
    "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3,
    "size": {"height": SIDE, "width": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}, indent=1) + "\n")

# Pictures: two of the size that it sees, two of others.
random = np.random.default_rng(1)
pictures = {}
for number, (width, height) in enumerate([(SIDE, SIDE), (SIDE, SIDE), (96, 80), (40, 56)]):
    noise = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    picture.save(OUT / f"picture-{number}.png")
    pictures[f"picture-{number}.png"] = picture
mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def seen(picture):
    scaled = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    return ((torch.from_numpy(scaled.copy()).permute(2, 0, 1) - mean) / std)[None]


TOKENS = features.shape[1]


def asked(task):
    return torch.tensor([[IMAGE] * TOKENS + pieces.encode(TASKS[task]).ids])


def write(task, beginning=None, new=16, **kwargs):
    all = {}
    for name, picture in pictures.items():
        ids = asked(task)
        prompt = {} if beginning is None else {"decoder_input_ids": torch.tensor([[2, 0] + beginning])}
        with torch.no_grad():
            out = model.generate(input_ids=ids, pixel_values=seen(picture), attention_mask=torch.ones_like(ids),
                                 max_new_tokens=new, do_sample=False, **prompt, **kwargs)
        row = out[0].tolist()[1 + (0 if beginning is None else 1 + len(beginning)):]
        all[name] = row[:row.index(2)] if 2 in row else row
    return all


beginning = pieces.encode("a photo of", add_special_tokens=False).ids
cases = {
    "greedy": write("Detailed", num_beams=1), "beams3": write("Detailed"),
    "beams4.short": write("Caption", num_beams=4, new=7), "greedy.long": write("MoreDetailed", num_beams=1, new=40),
    "beams3.beginning": write("Detailed", beginning), "greedy.beginning": write("Detailed", beginning, num_beams=1),
    "beams3.long": write("Caption", new=40),
}
texts = {case: {name: pieces.decode([t for t in tokens], skip_special_tokens=True).strip() for name, tokens in rows.items()}
         for case, rows in cases.items()}
forced = [2, 0, 20, 30, 40, 30]
name_of_logits = "picture-0.png"
ids = asked("Detailed")
with torch.no_grad():
    logits = model(input_ids=ids, pixel_values=seen(pictures[name_of_logits]), attention_mask=torch.ones_like(ids),
                   decoder_input_ids=torch.tensor([forced])).logits[0]
save_file({"logits": logits.contiguous(), "features": Vision()(seen(pictures[name_of_logits]))[0].detach().contiguous()}, OUT / "golden.safetensors")
(OUT / "texts.json").write_text(json.dumps({
    "forced": forced, "asked": {task: pieces.encode(text).ids for task, text in TASKS.items()},
    "beginning": beginning, "tokens": cases, "texts": texts}, indent=1) + "\n")

# The export against the model that it is of.
sessions = {f.stem: onnxruntime.InferenceSession(str(f)) for f in (OUT / "onnx").glob("*.onnx")}
for name, session in sessions.items():
    print(name, {i.name: i.shape for i in session.get_inputs()}, {o.name: o.shape for o in session.get_outputs()})
seen_ids = np.array([pieces.encode(TASKS["Detailed"]).ids])
words = sessions["embed_tokens"].run(None, {"input_ids": seen_ids})[0]
look = sessions["vision_encoder"].run(None, {"pixel_values": seen(pictures[name_of_logits]).numpy()})[0]
both = np.concatenate([look, words], 1)
ones = np.ones(both.shape[:2], dtype=np.int64)
states = sessions["encoder_model"].run(None, {"inputs_embeds": both, "attention_mask": ones})[0]
out = sessions["decoder_model_merged"].run(["logits"], {
    "inputs_embeds": sessions["embed_tokens"].run(None, {"input_ids": np.array([forced])})[0],
    "encoder_hidden_states": states, "encoder_attention_mask": ones, "use_cache_branch": np.array([False]),
} | {name: np.zeros((1, HEADS, 0, WIDTH // HEADS), dtype=np.float32) for name in PAST})[0]
print("greatest difference of the export's logits:", np.abs(out[0] - logits.numpy()).max(), "of", np.abs(out).max())
assert np.allclose(out[0], logits.numpy(), atol=1e-4)
for case, rows in cases.items():
    print(case, list(rows.values()))
