"""Runs the benchmark's cells, each (data, side, seed), and writes what they came to; README.md beside this file says what is measured.

usage: benchmarks/quality/run [--data style,object,face] [--sides trainer,peft,peft-same] [--seeds 0,1,2] [--threads 2] [--rate RATE] [--limit SECONDS] [--out DIR]

Sides are the trainer's methods and the peers of methods.py. A cell that has its file in OUT/cells is not run again. No cell is
begun after --limit seconds.
"""
import argparse, datetime, json, os, pathlib, shutil, subprocess, sys, time
import yaml

import methods
import report

HOME = methods.HOME
PICTURES = 28  # at least so many are drawn for each measure
FIRST_SEED = 1000

args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
names = lambda text: text.split(",")
args.add_argument("--data", type=names, default=["style", "object", "face"])
args.add_argument("--sides", type=names, default=["trainer", "peft", "peft-same"])
args.add_argument("--seeds", type=names, default=["0", "1", "2"], help="peft-same runs with the first alone")
args.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
args.add_argument("--steps", type=int, default=250)
args.add_argument("--every", type=int, default=50)
args.add_argument("--rate", type=float, help="learning rate; default: the data's and method's own")
args.add_argument("--token-rate", type=float, help="learning rate of new tokens; default: the method's own")
args.add_argument("--token-count", type=int, help="how many; default: the method's own")
args.add_argument("--limit", type=float, default=3000, help="no cell is begun after so many seconds; default 3000")
args.add_argument("--out", type=pathlib.Path, default=HOME / "benchmarks" / "quality" / "target")
parser, args = args, args.parse_args()
unknown = {side for side in args.sides if methods.method(side) not in {*methods.METHODS, *methods.PEERS}}
if unknown:
    parser.error(f"--sides must be of {', '.join([*methods.METHODS, *methods.PEERS])}, with -named after it or not, was {', '.join(sorted(unknown))}")
args.out = args.out.resolve()
environment = os.environ | {"OMP_NUM_THREADS": str(args.threads), "MKL_NUM_THREADS": str(args.threads)}


def training(data, side, seed):
    return methods.training(data, side, args.steps, args.every, int(seed), args.rate, args.token_rate, args.token_count)


def spec(data, side, seed):
    captions = methods.prompts(data, side, args.out)
    each = -(-PICTURES // len(captions))
    # What is measured is the one file that both sides can write.
    formats = {"LoRA": "Diffusers", "DoRA": "Diffusers", "LoHa": "Kohya", "LoKr": "Kohya"}
    asked = training(data, side, seed)
    adapter = asked.get("adapter")
    output = {"output": dict(formats=[formats[adapter.get("type", "LoRA")]])} if adapter and "tokens" not in asked else {}
    return dict(
        apiVersion="lora.training/v1alpha1",
        kind="LoraTraining",
        metadata=dict(name=f"{data}-{side}-{seed}"),
        spec=dict(
            baseModel=dict(uri="bundled://emoji-sd"),
            datasets=[methods.dataset(data, side, args.out)],
            training=asked,
            sampling=dict(enabled=False, steps=10, guidance=methods.GUIDANCE[methods.kind(data)]),
            evaluation=dict(prompts=[dict(text=c, seed=FIRST_SEED + i) for i, c in enumerate(captions * each)]),
            **output,
        ),
    )


def trainer(command, workspace, file):
    call([HOME / "bin" / "lora-trainer", command, file, "--workspace", workspace], workspace)


def call(command, workspace):
    with open(workspace / "cell.log", "ab") as log:
        code = subprocess.run(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, env=environment).returncode
    if code != 0:
        sys.exit(f"{command[0]} ended with {code}; {workspace / 'cell.log'} says why")


def run(data, side, seed):
    workspace = args.out / "work" / f"{data}-{side}-{seed}"
    pictures = args.out / "pictures" / (f"{data}-named" if methods.named(side) else data)
    (workspace / "evaluate").mkdir(parents=True, exist_ok=True)
    pictures.mkdir(parents=True, exist_ok=True)
    # Pictures are kept by what they depend on: the base model's are drawn once for all cells of a data set.
    if not (workspace / "evaluate" / "pictures").exists():
        (workspace / "evaluate" / "pictures").symlink_to(pictures)
    file = workspace / "training.yaml"
    file.write_text(yaml.safe_dump(spec(data, side, seed), sort_keys=False))
    begin = time.monotonic()
    trainer("prepare", workspace, file)
    peer = None
    if not methods.peer(side):
        trainer("train", workspace, file)
    elif not (workspace / "train" / "summary.json").exists():
        more = ["--same-draws"] if side == "peft-same" else ["--prefix", methods.prefix(data, side)]
        call([sys.executable, HOME / "benchmarks/quality/train_peft.py", file, "--base", methods.BUNDLED / "emoji-sd", "--data", methods.folder(data, side, args.out),
              "--workspace", workspace, "--threads", args.threads, *more], workspace)
    if methods.peer(side):
        peer = json.loads((workspace / "train" / "peer.json").read_text())
    trainer("evaluate", workspace, file)
    measured = json.loads((workspace / "evaluate" / "evaluation.json").read_text())
    values = lambda c: dict(step=c["step"]) | {m["name"]: float(m["value"]) for m in c["metrics"]}
    commit = subprocess.run(["git", "-C", HOME, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return dict(
        data=data, side=side, seed=int(seed), date=datetime.date.today().isoformat(), commit=commit, threads=args.threads, cores=os.cpu_count(),
        seconds=round(time.monotonic() - begin), peer=peer, pictures=len(measured["prompts"]), training=training(data, side, seed),
        rollbacks=json.loads((workspace / "train" / "summary.json").read_text())["rollbacks"],
        base=values(measured["base"]), checkpoints=[values(c) for c in measured["checkpoints"]],
    )


def main():
    begin = time.monotonic()
    cells = args.out / "cells"
    cells.mkdir(parents=True, exist_ok=True)
    wanted = [(d, side, seed) for seed in args.seeds for d in args.data for side in args.sides if side != "peft-same" or seed == args.seeds[0]]
    for data, side, seed in wanted:
        file = cells / f"{data}-{side}-{seed}.json"
        if file.exists():
            if json.loads(file.read_text())["training"] != training(data, side, seed):
                sys.exit(f"{file} must be of the training that is asked for; --out takes a folder for another")
            continue
        if time.monotonic() - begin > args.limit:
            print(f"the time is over; the same command goes on with {file.stem}")
            break
        cell = run(data, side, seed)
        temporary = file.with_suffix(".tmp")
        temporary.write_text(json.dumps(cell, indent=1) + "\n")
        temporary.rename(file)
        last = cell["checkpoints"][-1]
        print(f"{file.stem}: {cell['seconds']} s, score {cell['base']['score']:.3f} -> {last['score']:.3f}", flush=True)
    report.write(args.out)


if __name__ == "__main__":
    main()
