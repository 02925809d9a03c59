"""Makes src/test/resources/goldens/clipseg: a random tiny CLIPSeg of transformers as ONNX, and the masks that transformers
and PyTorch make with it of two of the bundled pictures. With a folder of a CLIPSeg of transformers as argument it writes
examples/bundled/emoji-clipseg of it instead, its weights in fp16. From the repository's root:

    python -m venv env && env/bin/pip install torch==2.7.1 transformers==5.24.0 onnx==1.23.2 safetensors==0.8.0 pillow==13.0.0
    env/bin/python trainer-runtime/src/test/goldens/segment_goldens.py [FOLDER]
"""
import os, shutil, sys
import numpy as np, onnx, torch
from onnx import numpy_helper, helper
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPImageProcessorPil, CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer

GOLDENS = "trainer-runtime/src/test/resources/goldens"
torch.set_num_threads(2)


class Logits(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, input_ids, pixel_values, attention_mask):
        return self.net(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask).logits


def export(net, file):
    """With the names and axes of the published exports."""
    size, tokens = net.config.vision_config.image_size, net.config.text_config
    ids = torch.full((2, 9), tokens.eos_token_id)
    ids[:, 0] = tokens.bos_token_id
    torch.onnx.export(
        Logits(net), (ids, torch.randn(2, 3, size, size), torch.ones_like(ids)), file, dynamo=False, opset_version=17,
        input_names=["input_ids", "pixel_values", "attention_mask"], output_names=["logits"],
        dynamic_axes={"input_ids": {0: "texts", 1: "tokens"}, "attention_mask": {0: "texts", 1: "tokens"}, "pixel_values": {0: "texts"}, "logits": {0: "texts"}})


def halve(file):
    """Keeps large weights in fp16, which a cast widens where the model is opened."""
    model = onnx.load(file)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= 256:
            name = weight.name
            half = numpy_helper.from_array(values.astype(np.float16), name + ".half")
            assert np.array_equal(values, values.astype(np.float16).astype(np.float32)), name
            weight.CopyFrom(half)
            casts.append(helper.make_node("Cast", [half.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def bundle(folder, out="examples/bundled/emoji-clipseg"):
    os.makedirs(out, exist_ok=True)
    net = CLIPSegForImageSegmentation.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    export(net, f"{out}/model.onnx")
    halve(f"{out}/model.onnx")
    for name in "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json":
        shutil.copyfile(f"{folder}/{name}", f"{out}/{name}")


def goldens(out=f"{GOLDENS}/clipseg"):
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    tokenizer = CLIPTokenizer.from_pretrained(f"{GOLDENS}/clip-a")
    for name in "vocab.json", "merges.txt", "tokenizer_config.json":
        shutil.copyfile(f"{GOLDENS}/clip-a/{name}", f"{out}/{name}")
    torch.manual_seed(15)
    shape = {"hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 3}
    config = CLIPSegConfig(
        text_config=shape | {"vocab_size": len(tokenizer), "max_position_embeddings": 77, "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id},
        vision_config=shape | {"image_size": 48, "patch_size": 8},
        projection_dim=16, reduce_dim=8, extract_layers=[0, 1, 2], decoder_num_attention_heads=2, decoder_intermediate_size=16, conditional_layer=1)
    net = CLIPSegForImageSegmentation._from_config(config, attn_implementation="eager").eval()
    for p in net.parameters():
        if p.dim() > 1:
            p.data *= 4
    export(net, f"{out}/model.onnx")
    processor = CLIPImageProcessorPil(size={"height": 48, "width": 48}, do_center_crop=False, resample=3)
    processor.save_pretrained(out)
    texts = tokenizer(["a cat", "an owl", ""], padding=True, return_tensors="pt")
    golden = {}
    for name in "bat", "crab":
        picture = Image.open(f"examples/bundled/fluent-style/{name}.png").convert("RGB").resize((150, 101) if name == "bat" else (64, 40), Image.BICUBIC)
        picture.save(f"{out}/{name}.png")
        pixels = processor(picture, return_tensors="pt").pixel_values
        with torch.no_grad():
            logits = net(**texts, pixel_values=pixels.repeat(3, 1, 1, 1)).logits
        golden |= {f"{name}.pixels": pixels[0], f"{name}.logits": logits}
        # As Eden's trainer: softmax over prompt and empty text at a temperature, plus a bias, cut off, stretched.
        for temperature in 0.5, 2.0:
            mask = torch.softmax(logits[[0, 2]] / temperature, 0)[0]
            mask = (mask + 0.05).clamp(0, 1)
            golden[f"{name}.softmax.{temperature}"] = mask / mask.max()
        mask = (torch.sigmoid(logits[:2].max(0)[0]) + 0.1).clamp(0, 1)
        golden[f"{name}.sigmoid"] = mask / mask.max()
        print(name, logits.min().item(), logits.max().item(), golden[f"{name}.softmax.0.5"].std().item(), golden[f"{name}.sigmoid"].std().item())
    for (w, h, resample) in (31, 77, 2), (30, 200, 3), (150, 50, 3), (64, 64, 1), (20, 101, 2):
        scaled = Image.open(f"{out}/bat.png").resize((w, h), {1: Image.LANCZOS, 2: Image.BILINEAR, 3: Image.BICUBIC}[resample])
        golden[f"resized.{w}.{h}.{resample}"] = torch.tensor(np.array(scaled)).float()
    save_file({k: v.detach().float().contiguous().clone() for k, v in golden.items()}, f"{out}/golden.safetensors")


bundle(sys.argv[1]) if len(sys.argv) > 1 else goldens()
