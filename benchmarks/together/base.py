"""Writes a base model with Stable Diffusion 1.5's denoiser and text encoder of random weights; autoencoder and tokenizer are the bundled model's.

usage: base.py BUNDLED OUT
"""
import pathlib, shutil, sys
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

bundled, out = map(pathlib.Path, sys.argv[1:])
torch.manual_seed(0)
shutil.copytree(bundled, out, ignore=shutil.ignore_patterns("unet", "text_encoder"))
denoiser = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
denoiser.half().save_pretrained(out / "unet")
small = CLIPTextConfig.from_pretrained(bundled / "text_encoder")
encoder = CLIPTextModel(CLIPTextConfig(
    vocab_size=small.vocab_size, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
    hidden_act="quick_gelu", projection_dim=768, bos_token_id=small.bos_token_id, eos_token_id=small.eos_token_id, pad_token_id=small.pad_token_id))
encoder.half().save_pretrained(out / "text_encoder")
