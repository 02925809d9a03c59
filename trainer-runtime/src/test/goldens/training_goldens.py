"""Goldens of optimizers, learning rates and losses: python training_goldens.py, from the repository's root.

Writes trainer-runtime/src/test/resources/training-goldens/values.json. Inputs are torch.randn of known seeds, which the Java
side draws bit for bit, so that only results are stored.
"""
import json, pathlib, warnings
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_snr
from prodigyopt import Prodigy
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

warnings.filterwarnings("ignore")
OUT = pathlib.Path("trainer-runtime/src/test/resources/training-goldens")
OUT.mkdir(parents=True, exist_ok=True)


def randn(seed, *shape):
    torch.manual_seed(seed)
    return torch.randn(*shape)


def rates(make, steps=20):
    """A schedule's rates of all steps, with a highest rate of 2."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def schedules():
    """Steps 20, warm-up 4; each with the fields of spec.training.optimizer.schedule that it answers to."""
    def diffusers(name, **more):
        return lambda o: get_scheduler(name, o, num_warmup_steps=4, num_training_steps=20, **more)

    def polynomial(o):
        from diffusers.optimization import get_polynomial_decay_schedule_with_warmup as make
        return make(o, 4, 20, lr_end=0.2, power=3.0)

    def exponential(o):
        warm = torch.optim.lr_scheduler.LambdaLR(o, lambda k: k / 4)
        return torch.optim.lr_scheduler.SequentialLR(
            o, [warm, torch.optim.lr_scheduler.ExponentialLR(o, 0.05 ** (1 / 16))], [4])

    return [
        ["type: Constant", rates(diffusers("constant_with_warmup"))],
        ["type: Linear", rates(diffusers("linear"))],
        ["type: Cosine", rates(diffusers("cosine"))],
        ["type: Cosine, finalFraction: 0.1", rates(lambda o: get_cosine_with_min_lr_schedule_with_warmup(o, 4, 20, min_lr_rate=0.1))],
        ["type: CosineRestarts, cycles: 3", rates(diffusers("cosine_with_restarts", num_cycles=3))],
        ["type: Polynomial, power: 3, finalFraction: 0.1", rates(polynomial)],
        ["type: Exponential, finalFraction: 0.05", rates(exponential)],
    ]


def prodigy(steps, decay, beta2, rate, clip, **more):
    """d and parameters after each step on the gradient of sum((p - c)^2 * w) + noise."""
    p = torch.nn.Parameter(randn(1, 12))
    centre, weight = 3 * randn(2, 12), randn(3, 12) ** 2
    optimizer = Prodigy([p], lr=1.0, betas=(0.9, beta2), weight_decay=decay, **more)
    found = []
    for k in range(steps):
        p.grad = 2 * (p.detach() - centre) * weight + 0.1 * randn(100 + k, 12)
        torch.nn.utils.clip_grad_norm_([p], clip)
        optimizer.param_groups[0]["lr"] = rate(k)
        optimizer.step()
        found.append([optimizer.param_groups[0]["d"]] + p.tolist())
    return found


def losses():
    """Loss and gradient by autograd, of predictions of B = 2, C = 2, 3 x 4 at timesteps 100 and 900."""
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    t = torch.tensor([100, 900])
    snr = compute_snr(scheduler, t)
    latents, noise = randn(1, 2, 2, 3, 4), randn(2, 2, 2, 3, 4)
    found = []
    for kind in ["Epsilon", "V"]:
        target = noise if kind == "Epsilon" else scheduler.get_velocity(latents, noise, t)
        more = 0 if kind == "Epsilon" else 1
        weights = {
            "Uniform": torch.ones(2),
            "MinSnr": torch.clamp(snr, max=5) / (snr + more),
            "Debiased": 1 / (snr.clamp(max=1000) + 1) if more else 1 / snr.clamp(max=1000).sqrt(),
        }
        for name, weight in weights.items():
            for delta in [None, 0.1]:
                for masked in [False, True]:
                    prediction = randn(3, 2, 2, 3, 4).requires_grad_()
                    d = prediction - target
                    if delta is None:
                        each = d ** 2
                    else:
                        sigma = ((1 - scheduler.alphas_cumprod[t]) / scheduler.alphas_cumprod[t]).sqrt()
                        c = ((1 - delta) / (1 + sigma) ** 2 + delta).view(2, 1, 1, 1)
                        each = 2 * c * ((d ** 2 + c ** 2).sqrt() - c)
                    mask = torch.sigmoid(randn(4, 2, 1, 3, 4)) if masked else torch.ones(2, 1, 3, 4)
                    mask = mask.expand(2, 2, 3, 4)
                    loss = ((each * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3)) * weight).mean()
                    loss.backward()
                    fields = f"weighting: {name}" + ("" if delta is None else f", huberDelta: {delta}")
                    found.append([kind, fields, masked, [loss.item()] + prediction.grad.flatten().tolist()])
    return found


def pyramid():
    """kohya's pyramid_noise_like with given levels: noise (2, 2, 9, 12), levels of 9 x 12, 3 x 5 and 1 x 2."""
    noise = randn(1, 2, 2, 9, 12)
    for i, size in enumerate([(9, 12), (3, 5), (1, 2)]):
        level = randn(2 + i, 2, 2, *size)
        noise = noise + torch.nn.functional.interpolate(level, size=(9, 12), mode="bilinear") * 0.4 ** i
    return (noise / noise.std()).flatten().tolist()


def main():
    values = {
        "schedules": schedules(),
        "losses": losses(),
        "pyramid": pyramid(),
        "prodigy": {
            "plain": prodigy(20, 0.0, 0.999, lambda k: 1.0, 1e9),
            "corrected": prodigy(60, 0.01, 0.99, lambda k: min(1.0, k / 5), 1.0, use_bias_correction=True, safeguard_warmup=True),
        },
    }
    text = json.dumps(json.loads(json.dumps(values), parse_float=lambda x: float(f"{float(x):.9g}")))
    (OUT / "values.json").write_text(text.replace("], ", "],\n").replace('": ', '":\n') + "\n")


if __name__ == "__main__":
    main()
