"""Lists the options of other trainers from clones of their repositories, for the tables of training.lora.trainer.convert.

    python option_lists.py TOOL CLONE COMMIT [COMMIT...] > ../resources/configs/TOOL-options.txt

TOOL is eden, kohya, kohya-scripts (the options that not all of kohya's scripts have), onetrainer or ai-toolkit; of several commits all options are listed. Only names are read from the
sources; a line that begins with # says which repository and commits they are from.
"""

import ast
import subprocess
import sys

REPOSITORIES = {
    "eden": "edenartlab/sd-lora-trainer",
    "kohya": "kohya-ss/sd-scripts",
    "kohya-scripts": "kohya-ss/sd-scripts",
    "onetrainer": "Nerogar/OneTrainer",
    "ai-toolkit": "ostris/ai-toolkit",
}


def source(clone, commit, path):
    return ast.parse(subprocess.check_output(["git", "-C", clone, "show", f"{commit}:{path}"], text=True))


def fields(tree, name):
    """Names of the annotated fields of a class."""
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return [n.target.id for n in body if isinstance(n, ast.AnnAssign)]


def eden(clone, commit):
    return fields(source(clone, commit, "trainer/config.py"), "TrainingConfig")


def arguments(tree, function):
    """Names of the arguments that a function adds to a parser."""
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
    names = []
    for call in ast.walk(body):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "add_argument":
            texts = [a.value for a in call.args if isinstance(a, ast.Constant) and a.value.startswith("--")]
            names += [texts[0][2:].replace("-", "_")] if texts else []
    return names


def schema(tree, name):
    """Keys of a dict of ConfigSanitizer, the required ones too."""
    body = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == "ConfigSanitizer").body
    value = next(n.value for n in body if isinstance(n, ast.Assign) and n.targets[0].id == name)
    return [(k.args[0] if isinstance(k, ast.Call) else k).value for k in value.keys]


KOHYA = {
    "train_network": "train_network.py",
    "sdxl_train_network": "sdxl_train_network.py",
    "fine_tune": "fine_tune.py",
    "train_db": "train_db.py",
    "sdxl_train": "sdxl_train.py",
    "train_textual_inversion": "train_textual_inversion.py",
    "sdxl_train_textual_inversion": "sdxl_train_textual_inversion.py",
}

LIBRARY = {
    "add_logging_arguments": "library/utils.py",
    "add_model_spec_arguments": "library/sai_model_spec.py",
    "add_deepspeed_arguments": "library/deepspeed_utils.py",
    "add_config_arguments": "library/config_util.py",
    "add_custom_train_arguments": "library/custom_train_functions.py",
    "add_sdxl_training_arguments": "library/sdxl_train_util.py",
    "add_sd_models_arguments": "library/train_util.py",
    "add_dataset_arguments": "library/train_util.py",
    "add_training_arguments": "library/train_util.py",
    "add_sd_saving_arguments": "library/train_util.py",
    "add_masked_loss_arguments": "library/train_util.py",
    "add_optimizer_arguments": "library/train_util.py",
}


def taken(clone, commit, path, function, given):
    """Options that a function of sd-scripts adds when called with given, which says which of its ifs hold."""
    body = next(n for n in ast.walk(source(clone, commit, path)) if isinstance(n, ast.FunctionDef) and n.name == function)
    names = [a.arg for a in body.args.args]
    defaults = dict(zip(reversed(names), (d.value for d in reversed(body.args.defaults))))
    values = {**defaults, **{n: a.value for n, a in zip(names, given.args) if isinstance(a, ast.Constant)}} if given else defaults
    if given:
        values.update({k.arg: k.value.value for k in given.keywords})
    options = []

    def visit(statements):
        for statement in statements:
            if isinstance(statement, ast.If) and isinstance(statement.test, ast.Name) and statement.test.id in values:
                visit(statement.body if values[statement.test.id] else statement.orelse)
                continue
            for call in ast.walk(statement):
                if not isinstance(call, ast.Call):
                    continue
                name = getattr(call.func, "attr", getattr(call.func, "id", ""))
                if name == "add_argument":
                    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and a.value.startswith("--")]
                    options.extend([texts[0][2:].replace("-", "_")] if texts else [])
                elif name in LIBRARY:
                    options.extend(taken(clone, commit, LIBRARY[name], name, call))
                elif name == "setup_parser" and getattr(call.func.value, "id", "") in KOHYA:
                    options.extend(taken(clone, commit, KOHYA[call.func.value.id], name, None))

    visit(body.body)
    return options


def kohya_scripts(clone, commit):
    """Each option with the scripts that have it, where not all do."""
    having = {}
    for script, path in KOHYA.items():
        for option in taken(clone, commit, path, "setup_parser", None):
            having.setdefault(option, []).append(script)
    return [f"{option}: {' '.join(dict.fromkeys(s))}" for option, s in having.items() if len(set(s)) < len(KOHYA)]


def kohya(clone, commit):
    options = []
    for path, functions in {
        "train_network.py": ["setup_parser"],
        "fine_tune.py": ["setup_parser"],
        "train_db.py": ["setup_parser"],
        "sdxl_train.py": ["setup_parser"],
        "train_textual_inversion.py": ["setup_parser"],
        "library/utils.py": ["add_logging_arguments"],
        "library/sai_model_spec.py": ["add_model_spec_arguments"],
        "library/train_util.py": [
            "add_sd_models_arguments",
            "add_dataset_arguments",
            "add_training_arguments",
            "add_sd_saving_arguments",
            "add_masked_loss_arguments",
            "add_optimizer_arguments",
        ],
        "library/deepspeed_utils.py": ["add_deepspeed_arguments"],
        "library/config_util.py": ["add_config_arguments"],
        "library/custom_train_functions.py": ["add_custom_train_arguments"],
        "library/sdxl_train_util.py": ["add_sdxl_training_arguments"],
    }.items():
        tree = source(clone, commit, path)
        for function in functions:
            options += arguments(tree, function)
    tree = source(clone, commit, "library/config_util.py")
    subset = [
        "SUBSET_ASCENDABLE_SCHEMA",
        "DO_SUBSET_ASCENDABLE_SCHEMA",
        "DB_SUBSET_ASCENDABLE_SCHEMA",
        "DB_SUBSET_DISTINCT_SCHEMA",
        "FT_SUBSET_DISTINCT_SCHEMA",
    ]
    for name in subset[:3] + ["DATASET_ASCENDABLE_SCHEMA"]:
        options += ["datasets." + key for key in schema(tree, name)]
    for name in subset:
        options += ["datasets.subsets." + key for key in schema(tree, name)]
    return options


def appended(tree, name):
    """Keys that default_values of a class of OneTrainer's configurations appends."""
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return [
        call.args[0].elts[0].value
        for call in ast.walk(body)
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "append"
        and isinstance(call.args[0], ast.Tuple)
    ]


def onetrainer(clone, commit):
    config = "modules/util/config/"
    train = source(clone, commit, config + "TrainConfig.py")
    options = appended(train, "TrainConfig")
    for group, name in {
        "optimizer": "TrainOptimizerConfig",
        "unet": "TrainModelPartConfig",
        "text_encoder": "TrainModelPartConfig",
        "text_encoder_2": "TrainModelPartConfig",
        "vae": "TrainModelPartConfig",
        "embedding": "TrainEmbeddingConfig",
        "additional_embeddings": "TrainEmbeddingConfig",
        "quantization": "QuantizationConfig",
    }.items():
        options.remove(group)
        options += [group + "." + key for key in appended(train, name)]
    concept = source(clone, commit, config + "ConceptConfig.py")
    options.remove("concepts")
    options += ["concepts." + key for key in appended(concept, "ConceptConfig") if key not in ("image", "text")]
    options += ["concepts.image." + key for key in appended(concept, "ConceptImageConfig")]
    options += ["concepts.text." + key for key in appended(concept, "ConceptTextConfig")]
    options.remove("samples")
    samples = source(clone, commit, config + "SampleConfig.py")
    options += ["samples." + key for key in appended(samples, "SampleConfig")]
    return options


def got(tree, name, variable="kwargs"):
    """Keys that a class of ai-toolkit's configurations asks its arguments for."""
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    return [
        call.args[0].value
        for call in ast.walk(body)
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "get"
        and getattr(call.func.value, "id", "") == variable
        and isinstance(call.args[0], ast.Constant)
    ]


def ai_toolkit(clone, commit):
    modules = source(clone, commit, "toolkit/config_modules.py")
    options = []
    for group, name in {
        "network": "NetworkConfig",
        "save": "SaveConfig",
        "datasets": "DatasetConfig",
        "train": "TrainConfig",
        "train.ema_config": "EMAConfig",
        "model": "ModelConfig",
        "sample": "SampleConfig",
        "sample.samples": "SampleItem",
        "logging": "LoggingConfig",
        "embedding": "EmbeddingConfig",
    }.items():
        options += [group + "." + key for key in got(modules, name)]
    for group in ["train.ema_config", "sample.samples"]:
        if group in options:
            options.remove(group)
    for path in ["jobs/process/BaseSDTrainProcess.py", "jobs/process/BaseTrainProcess.py", "jobs/process/BaseProcess.py"]:
        for call in ast.walk(source(clone, commit, path)):
            if (
                isinstance(call, ast.Call)
                and getattr(call.func, "attr", "") == "get_conf"
                and isinstance(call.args[0], ast.Constant)
                and call.args[0].value not in [o.split(".")[0] for o in options]
            ):
                options.append(call.args[0].value)
    return options


LISTS = {
    "eden": eden,
    "kohya": kohya,
    "kohya-scripts": kohya_scripts,
    "onetrainer": onetrainer,
    "ai-toolkit": ai_toolkit,
}


def main(tool, clone, *commits):
    options = set()
    hashes = []
    for commit in commits:
        hashes.append(subprocess.check_output(["git", "-C", clone, "rev-parse", commit], text=True).strip())
        options |= set(LISTS[tool](clone, commit))
    print(f"# github.com/{REPOSITORIES[tool]} at {', '.join(hashes)}; names of options, by option_lists.py")
    print("\n".join(sorted(options)))


if __name__ == "__main__":
    main(*sys.argv[1:])
