"""What each side of the benchmark trains, as fields under spec.training, and on which data."""
import pathlib

HOME = pathlib.Path(__file__).resolve().parents[2]
BUNDLED = HOME / "examples" / "bundled"
OTHERS = HOME / "benchmarks" / "quality" / "target" / "other"

# Folder, the kind of concept, its words in the captions, and the trigger that stands for them where new tokens are trained.
DATA = {
    "style": (BUNDLED / "blue-ink", "Style", None, "inkblot"),
    "object": (BUNDLED / "robot", "Object", "robot", "zorbot"),
    "face": (BUNDLED / "fluent-cats", "Face", "cat", "mewlin"),
    # Rates are chosen on these; other_data.py writes the latter two.
    "fluent": (BUNDLED / "fluent-style", "Style", None, "inkblot"),
    "car": (OTHERS / "car", "Object", "police car", "zorbot"),
    "smileys": (OTHERS / "smileys", "Face", "face", "mewlin"),
}
# The kind of data that a rate is chosen for.
LIKE = {"fluent": "style", "car": "object", "smileys": "face"}
# Learning rates on object and face data, on captions as they are and with a trigger: of those tried on other data what came to the
# highest score, LoRA's where it came as near as one seed can tell (RESULTS.md). On style data LoRA's is STYLE_RATE, and the others' stand to it as they do on objects.
RATES = {
    "trainer": (5e-4, 1e-3),
    "dora": (5e-4, 1e-3),
    "loha": (1e-3, 3e-4),
    "lokr": (3e-3, 3e-3),
    "full": (1e-4, 1e-4),
}
STYLE_RATE = 3e-3
# Where the text counts for more the tiny model keeps to its own colours.
GUIDANCE = {"style": 2, "object": 5, "face": 5}

# What diffusers + peft trains (train_peft.py), by the trainer's method of the same kind.
PEERS = {"peft": "trainer", "peft-same": "trainer", "peft-dora": "dora", "peft-loha": "loha", "peft-lokr": "lokr", "peft-prodigy": "prodigy"}
# What else is trained: kind of adapter, or fields under spec.training that take the place of plain LoRA's.
METHODS = {
    "trainer": {},
    "dora": {"adapter": {"type": "DoRA"}},
    "loha": {"adapter": {"type": "LoHa"}},
    "lokr": {"adapter": {"type": "LoKr"}},
    "lora-plus": {"optimizer": {"loraPlusRatio": 16}},
    "t-lora": {"adapter": {"timestepRank": {}}},
    "ema": {"ema": {"decay": 0.98}},
    "no-warmup": {"optimizer": {"schedule": {"warmupSteps": 0}}},
    "no-clipping": {"optimizer": {"maxGradientNorm": 1e9}},
    "no-both": {"optimizer": {"schedule": {"warmupSteps": 0}, "maxGradientNorm": 1e9}},
    "offset-noise": {"loss": {"offsetNoise": 0.05}},
    "prompt-noise": {"loss": {"promptNoise": 0.1}},
    "logit-normal": {"loss": {"timesteps": "LogitNormal"}},
    "loss-history": {"loss": {"timesteps": "LossHistory"}},
    "prodigy": {"optimizer": {"type": "Prodigy", "learningRate": 1.0}},
    "full": {"method": "FullFineTuning", "adapter": None, "optimizer": {"maxGradientNorm": None}},
    # Plain LoRA on captions with the trigger in place of the words: what those below stand beside.
    "named": {},
    "pivotal": {"tokens": {"count": 2, "learningRate": 1e-3}},
    # The same with token warm-up: towards a description by the text encoder alone, or the tokens alone before the adapter starts.
    "described": {"tokens": {"count": 2, "learningRate": 1e-3, "descriptionSteps": 60}},
    "tokens-first": {"tokens": {"count": 2, "learningRate": 1e-3}, "optimizer": {"startFraction": 0.2}},
    "pivotal-dora": {"tokens": {"count": 2, "learningRate": 1e-3}, "adapter": {"type": "DoRA"}},
    "inversion": {"method": "TextualInversion", "adapter": None, "tokens": {}},
}
DESCRIPTIONS = {"style": "blue ink", "object": "white robot, dark visor", "face": "yellow cat, orange chin"}
# How many new tokens are trained alone, and their rate: what came to the highest score on other data (RESULTS.md).
ALONE = {"style": (4, 2e-2), "object": (4, 2e-2), "face": (4, 3e-4)}


def method(side):
    """What a side trains. `dora-named` is `dora` on captions with the trigger."""
    return side.removesuffix("-named")


def peer(side):
    return method(side) in PEERS


def named(side):
    """Whether its captions have the trigger in place of the concept's words."""
    return side == "named" or side.endswith("-named") or "tokens" in METHODS.get(side, {})


def kind(data):
    return LIKE.get(data, data)


def merged(fields, others):
    """The fields with others over them; one that is None is left out."""
    out = dict(fields)
    for name, value in others.items():
        out[name] = merged(out.get(name, {}), value) if isinstance(value, dict) else value
    return {name: value for name, value in out.items() if value is not None}


def folder(data, side, out):
    """The pictures and captions that a side trains: the data's own, or a copy whose captions have the trigger."""
    source, _, words, trigger = DATA[data]
    if not named(side) or words is None:
        return source
    copy = out / "named" / data
    copy.mkdir(parents=True, exist_ok=True)
    for picture in sorted(source.glob("*.png")):
        (copy / picture.name).write_bytes(picture.read_bytes())
        caption = picture.with_suffix(".txt").read_text().replace(words, trigger)
        (copy / picture.name).with_suffix(".txt").write_text(caption)
    return copy


def dataset(data, side, out):
    _, mode, words, trigger = DATA[data]
    place = dict(uri=str(folder(data, side, out)))
    if not named(side):
        return place
    concept = dict(mode=mode, trigger=trigger) | ({"className": words} if words else {})
    if side == "described":
        concept["description"] = DESCRIPTIONS[kind(data)]
    return place | {"concept": concept}


def prefix(data, side):
    """What the trainer puts before captions that have no trigger: a style is named there."""
    _, mode, _, trigger = DATA[data]
    return f"in the style of {trigger}, " if named(side) and mode == "Style" else ""


def prompts(data, side, out):
    """The captions, as the trainer has them: where a concept is named, with its trigger."""
    return [prefix(data, side) + f.with_suffix(".txt").read_text().strip() for f in sorted(folder(data, side, out).glob("*.png"))]


def learning_rate(data, side):
    """The method's own on such captions, else LoRA's."""
    lora = RATES["trainer"][named(side)]
    rate = RATES.get(PEERS.get(method(side), method(side)), RATES["trainer"])[named(side)]
    return float(f"{STYLE_RATE * rate / lora:g}") if kind(data) == "style" else rate


def training(data, side, steps, every, seed, rate=None, token_rate=None, token_count=None):
    """The fields under spec.training."""
    plain = dict(
        steps=steps,
        batchSize=4,
        seed=seed,
        precision="Float32",  # as peft trains it; the API's default is BFloat16
        adapter=dict(rank=16, alpha=16, targets=["Attention", "FeedForward", "Convolution"]),
        optimizer=dict(
            learningRate=learning_rate(data, side), weightDecay=0.01, beta1=0.9, beta2=0.999, maxGradientNorm=1.0, schedule=dict(type="Cosine", warmupSteps=steps * 3 // 50)
        ),
        loss=dict(weighting="MinSnr", minSnrGamma=5),
        captions=dict(dropout=0.05),
        # That the same draws come to the same adapter shows at the end.
        checkpoints=dict(everySteps=steps if side == "peft-same" else every, keep=100),
    )
    asked = merged(plain, METHODS[PEERS.get(method(side), method(side))])
    if rate and "optimizer" in asked:
        asked["optimizer"]["learningRate"] = rate
    if side == "inversion":
        asked["tokens"]["count"], asked["tokens"]["learningRate"] = ALONE[kind(data)]
    if token_count and "tokens" in asked:
        asked["tokens"]["count"] = token_count
    if token_rate and "tokens" in asked:
        asked["tokens"]["learningRate"] = token_rate
    return asked
