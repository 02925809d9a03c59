"""Prediction types: diffusers' noise schedules, targets and Euler runs under a fake model, for NoiseScheduleTest and EulerSamplerTest.

usage, from the repository's root: python trainer-runtime/src/test/goldens/schedule_goldens.py
"""
import os
import torch
from diffusers import DDPMScheduler, EulerDiscreteScheduler
from safetensors.torch import save_file

OUT = "trainer-runtime/src/test/resources/goldens/schedules"
BETAS = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
TIMESTEPS = torch.tensor([0, 100, 500, 999])
STEPS = 8


def fake(x, t):
    """What the fake model predicts."""
    return x * (t / (t + 1000)) + 0.1


g = {}
for name, zero in (("plain", False), ("zero", True)):
    ddpm = DDPMScheduler(**BETAS, prediction_type="v_prediction", rescale_betas_zero_snr=zero)
    torch.manual_seed(21)
    latents, noise = torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3)
    g |= {"latents": latents, "noise": noise, f"{name}.abar": ddpm.alphas_cumprod[TIMESTEPS],
          f"{name}.noisy": ddpm.add_noise(latents, noise, TIMESTEPS), f"{name}.v": ddpm.get_velocity(latents, noise, TIMESTEPS)}
    for kind in ("epsilon", "v_prediction"):
        if zero and kind == "epsilon":
            continue
        euler = EulerDiscreteScheduler(**BETAS, prediction_type=kind, rescale_betas_zero_snr=zero, timestep_spacing="trailing")
        euler.set_timesteps(STEPS)
        x = latents * euler.init_noise_sigma
        for t in euler.timesteps:
            x = euler.step(fake(euler.scale_model_input(x, t), t), t, x).prev_sample
        g |= {f"{name}.{kind}.end": x, f"{name}.{kind}.sigmas": euler.sigmas}
os.makedirs(OUT, exist_ok=True)
save_file({k: v.float().contiguous().clone() for k, v in g.items()}, f"{OUT}/golden.safetensors")
