"""Makes an ONNX network of the checkpoint with which Eden's trainer scores pictures, for `spec.evaluation.aesthetic.uri`.

    python -m venv env && env/bin/pip install torch==2.7.1 torchvision==0.22.1 onnx==1.23.2
    env/bin/python examples/aesthetic/convert_eden.py aesthetic_score_best_model.pth aesthetic.onnx

The checkpoint is Eden's (edenartlab/sd-lora-trainer's README names the place); it comes with no licence, so that it is not part
of this project, and whoever uses it sees to that. It is a ResNet50 whose last layer is 2048-512-256-128-64-1 with LeakyReLU; its
score, about 1 to 10, is divided by 10 as Eden's trainer does.
"""
import sys

import torch
import torchvision

if len(sys.argv) != 3:
    sys.exit("usage: convert_eden.py CHECKPOINT.pth OUT.onnx")

head = []
for wide, narrow in ((2048, 512), (512, 256), (256, 128), (128, 64)):
    head += [torch.nn.Linear(wide, narrow), torch.nn.LeakyReLU(), torch.nn.Dropout(0.5)]


class Score(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = torchvision.models.resnet50(weights=None)
        self.model.fc = torch.nn.Sequential(*head, torch.nn.Linear(64, 1))

    def forward(self, picture):
        return self.model(picture) / 10


def linear_layers(state):
    """The head's layers by order: where dropout stood between them differs between versions of the checkpoint."""
    places = sorted(int(k.split(".")[2]) for k in state if k.startswith("model.fc.") and k.endswith(".weight"))
    return {f"model.fc.{place}": f"model.fc.{number}" for number, place in zip(range(0, 15, 3), places)}


score = Score().eval()
state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
state = state.get("state_dict", state)
state = {k if k.startswith("model.") else f"model.{k}": v for k, v in state.items()}
renamed = linear_layers(state)
state = {next((k.replace(old, new, 1) for old, new in renamed.items() if k.startswith(old + ".")), k): v for k, v in state.items()}
score.load_state_dict(state)
torch.onnx.export(
    score, torch.zeros(1, 3, 224, 224), sys.argv[2], input_names=["picture"], output_names=["score"], opset_version=17, dynamo=False
)
print(f"wrote {sys.argv[2]}")
