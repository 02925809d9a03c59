"""Goldens of DoRA by peft: outputs and gradients on the tiny networks that make_goldens.py made, and runs of ten losses on the bundled model.

usage, from the repository's root: python trainer-runtime/src/test/goldens/dora_goldens.py
Inputs, factors and magnitudes are torch.randn of known seeds, which the Java side draws bit for bit, so that only results are stored.
"""
import json
import adapter_goldens, emoji_goldens

if __name__ == "__main__":
    for network in ("unet-a", "unet-bb"):
        adapter_goldens.case(f"dora-{network}", network, adapter_goldens.EVERYTHING | dict(use_dora=True))
    losses = dict(AdamW=emoji_goldens.losses(dora=True), Prodigy=emoji_goldens.losses(prodigy=True, parts=2, dora=True))
    (emoji_goldens.OUT / "dora.json").write_text(json.dumps(losses, indent=1) + "\n")
