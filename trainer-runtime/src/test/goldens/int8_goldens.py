"""Goldens of adapters beside weights that are kept in int8, by peft on the tiny networks that make_goldens.py made.

usage, from the repository's root: python trainer-runtime/src/test/goldens/int8_goldens.py
The weight of every linear map and convolution becomes q s before anything else sees it: s of an output is the greatest
magnitude of its row over 127, q the whole number next to W / s, within -127 to 127.
"""
import torch
import adapter_goldens


def quantize(module):
    if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
        w = module.weight.data
        rows = w.flatten(1)
        s = rows.abs().amax(1, keepdim=True) / 127
        q = (rows / s).round().clamp(-127, 127).to(torch.int8)
        w.copy_((q.float() * s).view_as(w))


if __name__ == "__main__":
    load = adapter_goldens.UNet2DConditionModel.from_pretrained
    adapter_goldens.UNet2DConditionModel.from_pretrained = lambda place: load(place).apply(quantize)
    config = dict(r=2, lora_alpha=2, target_modules=["attn2.to_k", "to_out.0", "conv2", "proj_in", "ff.net.2"])
    adapter_goldens.case("int8-unet-bb", "unet-bb", config)
    adapter_goldens.case("int8-dora-unet-a", "unet-a", config | dict(use_dora=True))
