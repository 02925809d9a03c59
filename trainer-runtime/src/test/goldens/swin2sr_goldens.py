"""A tiny random Swin2SR as ONNX with inputs and outputs: resources/swin2sr-goldens/{model.onnx,golden.safetensors}.

Needs requirements.txt and onnx. The graph is exported with free height and width, as published exports are.
"""

import pathlib
import sys

import numpy
import torch
from safetensors.torch import save_file
from transformers import Swin2SRConfig, Swin2SRForImageSuperResolution

OUT = pathlib.Path(__file__).parent.parent / "resources" / "swin2sr-goldens"


class Named(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values=pixel_values).reconstruction


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    config = Swin2SRConfig(
        image_size=64,
        embed_dim=12,
        depths=[2],
        num_heads=[2],
        window_size=8,
        mlp_ratio=2.0,
        upscale=4,
        upsampler="nearest+conv",
        num_channels=3,
    )
    model = Swin2SRForImageSuperResolution(config).eval()
    tensors = {}
    for name, (height, width) in {"exact": (16, 24), "odd": (13, 21)}.items():
        pixels = torch.rand(1, 3, height, width)
        # As transformers' processor: mirrored with the edge, to the next multiple of 8 even where the size is one.
        padded = numpy.pad(
            pixels.numpy(),
            ((0, 0), (0, 0), (0, 8 - height % 8), (0, 8 - width % 8)),
            mode="symmetric",
        )
        with torch.no_grad():
            whole = model(pixel_values=torch.from_numpy(padded)).reconstruction
        tensors[name + ".input"] = pixels
        tensors[name + ".output"] = whole.clamp(0, 1)[:, :, : 4 * height, : 4 * width].contiguous()
    torch.onnx.export(
        Named(model),
        (torch.rand(1, 3, 32, 40),),
        str(OUT / "model.onnx"),
        input_names=["pixel_values"],
        output_names=["reconstruction"],
        dynamic_axes={
            "pixel_values": {0: "batch", 2: "height", 3: "width"},
            "reconstruction": {0: "batch", 2: "height4", 3: "width4"},
        },
        opset_version=17,
        dynamo=False,
    )
    save_file(tensors, str(OUT / "golden.safetensors"))


if __name__ == "__main__":
    sys.exit(main())
