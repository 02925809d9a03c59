"""The same network, adapter and values in diffusers and peft: prediction and gradients beside those of a replayed step."""
import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from peft import LoraConfig

from distances import distance


def arguments(config):
    """A recorded description in diffusers' names."""
    cross = ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in config["attention"]]
    named = dict(
        sample_size=config["sampleSize"], in_channels=config["channels"], out_channels=config["channels"],
        cross_attention_dim=config["contextWidth"], block_out_channels=config["widths"], layers_per_block=config["layers"],
        attention_head_dim=config["heads"], transformer_layers_per_block=config["transformerLayers"],
        norm_num_groups=config["groups"], norm_eps=config["normEps"], use_linear_projection=config["linearProjection"],
        down_block_types=cross, up_block_types=[name.replace("Down", "Up") for name in reversed(cross)],
    )
    addition = config.get("addition")
    if addition:
        named |= dict(addition_embed_type="text_time", addition_time_embed_dim=addition["sizeWidth"],
                      projection_class_embeddings_input_dim=addition["inputWidth"])
    return {key: tuple(value) if isinstance(value, list) else value for key, value in named.items()}


class Peer:
    """diffusers' network with a recording's values."""

    def __init__(self, recording, tensors, device):
        self.recording, self.device = recording, torch.device(device)
        about = recording.about
        with torch.device("meta"):
            self.unet = UNet2DConditionModel(**arguments(about["config"]))
        wanted = dict(self.unet.named_parameters())
        self.unet.load_state_dict(
            {o.name: tensors[o.id].reshape(wanted[o.name].shape) for o in recording.outers if o.kind == "Weight"}, assign=True
        )
        self.unet.requires_grad_(False)
        rank = about["rank"]
        self.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=["to_k", "to_q", "to_v", "to_out.0"]))
        self.unet.to(device).train()
        self.parts = []
        named = dict(self.unet.named_parameters())
        flat = tensors[recording.names["parameters"]]
        for part in about["adapter"]:
            size = part["shape"][0] * part["shape"][1]
            parameter = named[part["path"] + (".lora_A" if part["part"] == "Down" else ".lora_B") + ".default.weight"]
            parameter.data = flat[part["offset"] : part["offset"] + size].reshape(part["shape"]).float().clone()
            parameter.requires_grad_(True)
            self.parts.append(parameter)

    def run(self, tensors, noisy, half):
        """The prediction, and the gradient of the adapter in the recording's order."""
        names, about = self.recording.names, self.recording.about
        added = None
        if "pooled" in names:
            added = {"text_embeds": tensors[names["pooled"]], "time_ids": tensors[names["timeIds"]]}
        time = torch.tensor([about["timestep"]], device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            predicted = self.unet(noisy, time, tensors[names["context"]].float(), added_cond_kwargs=added).sample
        F.mse_loss(predicted.float(), tensors[names["noise"]].float()).backward()
        gradient = torch.cat([p.grad.flatten() for p in self.parts])
        for p in self.parts:
            p.grad = None
        return predicted.detach().float(), gradient


def beside(step, tensors, wide):
    """
    Distances from diffusers + peft in fp32 of prediction and gradient: a replay's in fp32 and bf16, and theirs in bf16.

    tensors has values as they are recorded, wide the same in fp32.
    """
    recording = step.recording
    ours = {}
    for name, values in (("fp32", wide), ("bf16", tensors)):
        kept = {}

        def probe(i, call, inputs):
            if recording.noisy in call.inputs:
                kept["noisy"] = inputs[call.inputs.index(recording.noisy)].float().clone()
            if i == recording.loss:
                kept["prediction"] = inputs[0].float().clone()
            if i == recording.optimizer:
                kept["gradient"] = fresh[recording.names["gradient"]].clone()

        # The step changes states, which the next one begins with again.
        fresh = {i: t if i in recording.weights else t.clone() for i, t in values.items()}
        step.run(fresh, probe)
        ours[name] = kept["prediction"], kept["gradient"]
    noisy = kept["noisy"]
    exact = Peer(recording, wide, step.device).run(wide, noisy, half=False)
    theirs = Peer(recording, tensors, step.device).run(tensors, noisy, half=True)
    rows = []
    for n, what in enumerate(("prediction", "gradient")):
        rows.append({
            "what": what,
            "fp32": distance(ours["fp32"][n], exact[n]),
            "bf16": distance(ours["bf16"][n], exact[n]),
            "peer_bf16": distance(theirs[n], exact[n]),
        })
    return rows
