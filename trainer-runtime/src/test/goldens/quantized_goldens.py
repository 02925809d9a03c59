"""Goldens of adapters beside weights that are kept in int8 or fp8, by peft on the tiny networks that make_goldens.py made.

usage, from the repository's root: python trainer-runtime/src/test/goldens/quantized_goldens.py
The weight of every linear map and convolution becomes q s before anything else sees it: s of an output is the greatest
magnitude of its row over that of the format, q the format's number next to W / s.
"""
import torch
import adapter_goldens

# The greatest number of each format, and how a float becomes one.
FORMATS = {
    "int8": (127, lambda x: x.round().clamp(-127, 127).to(torch.int8)),
    "fp8": (448, lambda x: x.clamp(-448, 448).to(torch.float8_e4m3fn)),
}


def quantizing(name):
    greatest, convert = FORMATS[name]

    def quantize(module):
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            w = module.weight.data
            rows = w.flatten(1)
            s = rows.abs().amax(1, keepdim=True) / greatest
            w.copy_((convert(rows / s).float() * s).view_as(w))

    return quantize


if __name__ == "__main__":
    load = adapter_goldens.UNet2DConditionModel.from_pretrained
    config = dict(r=2, lora_alpha=2, target_modules=["attn2.to_k", "to_out.0", "conv2", "proj_in", "ff.net.2"])
    for name in FORMATS:
        adapter_goldens.UNet2DConditionModel.from_pretrained = lambda place: load(place).apply(quantizing(name))
        adapter_goldens.case(f"{name}-unet-bb", "unet-bb", config)
        adapter_goldens.case(f"{name}-dora-unet-a", "unet-a", config | dict(use_dora=True))
