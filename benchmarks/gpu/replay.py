#!/usr/bin/env python3
"""Replays recorded training steps of the trainer: their functions' distances from fp32, the network beside diffusers + peft,
and the time of a step beside theirs. benchmarks/gpu/run starts it; README.md says what the numbers are.

usage: replay.py --recordings FOLDER --out FOLDER [--device cuda] [--models sd15,sdxl] [--small] [--limit 460]
Exits with 1 if a number is out of bounds, and with 3 if there was no time for all of it.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time
import warnings

import torch

import network
from distances import Calls, distance
from recording import Recording, Step, single

HERE = pathlib.Path(__file__).resolve().parent
PEER = HERE.parent / "peer" / "step_diffusers.py"

# What fp32 may differ by where sums are added up in another order, of one function and of a whole network.
NEAR, NETWORK_NEAR = 1e-4, 2e-3
# bf16 is near where it is at most so many times as far from fp32 as plain torch.
AS_NEAR = 2

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--recordings", type=pathlib.Path, required=True)
parser.add_argument("--out", type=pathlib.Path, required=True)
parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
parser.add_argument("--models", default="sd15,sdxl")
parser.add_argument("--small", action="store_true", help="a tiny network alone")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--limit", type=float, default=460, help="seconds after which nothing more is begun")
args = parser.parse_args()
BEGIN = time.monotonic()
problems, left_out, report = [], [], {"torch": torch.__version__, "device": args.device, "models": {}}


def in_time(what):
    if time.monotonic() - BEGIN < args.limit:
        return True
    left_out.append(what)
    return False


def must(holds, sentence):
    if not holds:
        problems.append(sentence)
        print("OUT OF BOUNDS: " + sentence, flush=True)


def save():
    args.out.mkdir(parents=True, exist_ok=True)
    report["seconds"] = round(time.monotonic() - BEGIN, 1)
    (args.out / "replay.json").write_text(json.dumps(report | {"problems": problems, "left_out": left_out}, indent=1))


def replayed_values(recording, step):
    """A recording with values gives what the trainer's own step gave."""
    tensors = recording.draw(step.device)
    step.run(tensors)
    for name in ("parameters", "firstMoment", "secondMoment", "log"):
        after = torch.tensor(recording.after[name], device=step.device)
        off = distance(tensors[recording.names[name]].flatten(), after)
        print(f"{recording.about['name']}: {name} after the step is {off:.1e} from the trainer's", flush=True)
        must(off < NEAR, f"{name} of a replayed step must be within {NEAR} of the trainer's, was {off:.1e}")


def compare_calls(name, step, tensors):
    calls = Calls(step)
    step.run({i: t if i in step.recording.weights else t.clone() for i, t in tensors.items()}, calls)
    rows = calls.table()
    for row in rows:
        where = f"{name} {row['phase']} {row['layer']} {row['shape']}"
        must(row["fp32"] < NEAR, f"{where}: fp32 must be within {NEAR} of plain torch, was {row['fp32']:.1e}")
        if row["phase"] in ("forward", "backward"):
            allowed = AS_NEAR * row["plain_bf16"] + NEAR
            must(row["bf16"] <= allowed, f"{where}: bf16 must be within {allowed:.1e} of fp32, was {row['bf16']:.1e}")
    moved = [row for row in rows if row["phase"] in ("forward", "backward")]
    worst = max(moved, key=lambda row: row["bf16"])
    print(
        f"{name}: {len(rows)} distinct of {sum(row['count'] for row in rows)} calls; fp32 at most {max(row['fp32'] for row in rows):.1e} from"
        f" plain torch; bf16 at most {worst['bf16']:.1e} from fp32 ({worst['phase']} {worst['layer']}, plain torch {worst['plain_bf16']:.1e}),"
        f" median {statistics.median(row['bf16'] for row in moved):.1e} beside {statistics.median(row['plain_bf16'] for row in moved):.1e};"
        f" deviation of what they are given at most {calls.largest:.2f}",
        flush=True,
    )
    print("  the most time:")
    for row in sorted(rows, key=lambda row: -row["ms"] * row["count"])[:12]:
        print(f"  {row['ms'] * row['count']:9.2f} ms in {row['count']:4d} calls of {row['phase']:9s} {row['layer']} {row['shape']}; plain {row['plain_ms'] * row['count']:.2f} ms", flush=True)
    return {"rows": rows, "largest": calls.largest}


def compare_network(name, step, tensors):
    rows = network.beside(step, tensors, single(tensors))
    for row in rows:
        print(
            f"{name}: {row['what']} from diffusers + peft in fp32: {row['fp32']:.1e} in fp32, {row['bf16']:.1e} in bf16, theirs in bf16"
            f" {row['peer_bf16']:.1e}",
            flush=True,
        )
        must(row["fp32"] < NETWORK_NEAR, f"{name} {row['what']} in fp32 must be within {NETWORK_NEAR} of diffusers', was {row['fp32']:.1e}")
        allowed = AS_NEAR * row["peer_bf16"]
        must(row["bf16"] <= allowed, f"{name} {row['what']} in bf16 must be within {allowed:.1e} of fp32, was {row['bf16']:.1e}")
    return rows


def wait():
    if args.device == "cuda":
        torch.cuda.synchronize()


def time_step(name, step, tensors, steps):
    """Seconds of a step, each waited for; of its phases on a card; the most memory that was taken."""
    if args.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    times, phases = [], []
    for i in range(steps + 2):
        wait()
        marks = [] if args.device == "cuda" else None
        begin = time.perf_counter()
        step.run(tensors, marks=marks)
        if marks is not None:
            marks.append(torch.cuda.Event(enable_timing=True))
            marks[-1].record()
        wait()
        times.append(time.perf_counter() - begin)
        if marks is not None:
            phases.append([a.elapsed_time(b) for a, b in zip(marks, marks[1:])])
    result = {"step_s": statistics.median(times[2:]), "all": times}
    line = f"{name}: {1000 * result['step_s']:.1f} ms a step"
    if phases:
        result["phases_ms"] = dict(zip(("forward", "loss", "backward", "optimizer"), (statistics.median(p) for p in zip(*phases[2:]))))
        result["peak_mib"] = torch.cuda.max_memory_allocated() >> 20
        line += f" ({', '.join(f'{k} {v:.1f}' for k, v in result['phases_ms'].items())}), {result['peak_mib']} MiB of the card at most"
    print(line, flush=True)
    return result


def time_peer(name, recording, steps):
    """diffusers' and peft's step in a process of its own, as they come and with channels last."""
    best = None
    for options in ([], ["--channels-last"]):
        command = [sys.executable, str(PEER), "--family", name, "--dtype", "bf16", "--res", str(8 * recording.about["side"]),
                   "--steps", str(steps + 2), "--device", args.device, "--threads", str(torch.get_num_threads()), *options]
        done = subprocess.run(command, text=True, capture_output=True)
        if done.returncode != 0:
            must(False, f"{' '.join(command)} must run, but: {done.stderr.strip()[-400:]}")
            return None
        line = json.loads(done.stdout.strip().splitlines()[-1])
        memory = f", {line['peak_allocated_mib']} MiB of the card at most" if "peak_allocated_mib" in line else ""
        print(f"{name}: diffusers + peft{' with channels last' if options else ''} {1000 * line['step_s']:.1f} ms a step{memory}", flush=True)
        if best is None or line["step_s"] < best["step_s"]:
            best = line
    return best


def model(name, timed):
    recording = Recording(args.recordings / f"{name}.json.gz")
    step = Step(recording, args.device)
    found = report["models"][name] = {}
    begin = time.monotonic()
    step.compile()
    print(f"{name}: {len(recording.texts)} texts compile in {time.monotonic() - begin:.1f} s, {len(recording.calls)} calls", flush=True)
    if recording.after:
        replayed_values(recording, step)
        return
    tensors = recording.draw(step.device)
    if in_time(f"{name}: each call"):
        found["calls"] = compare_calls(name, step, tensors)
        save()
    if in_time(f"{name}: the network beside diffusers + peft"):
        found["network"] = compare_network(name, step, tensors)
        save()
    if timed:
        if in_time(f"{name}: time of a step"):
            found["step"] = time_step(name, step, tensors, args.steps)
            save()
        del tensors
        if args.device == "cuda":
            torch.cuda.empty_cache()
        if in_time(f"{name}: time of a step of diffusers + peft"):
            peer = found["peer"] = time_peer(name, recording, args.steps)
            if peer and "step" in found:
                print(f"{name}: ratio of time {found['step']['step_s'] / peer['step_s']:.2f}", flush=True)
                if "peak_mib" in found["step"]:
                    print(f"{name}: ratio of memory {found['step']['peak_mib'] / peer['peak_allocated_mib']:.2f}", flush=True)
            save()


warnings.filterwarnings("ignore", category=FutureWarning)
# As the trainer does; fp32 is what others are compared with.
torch._C._set_graph_executor_optimize(False)
torch.backends.cudnn.allow_tf32 = False
torch.backends.cuda.matmul.allow_tf32 = False
if args.device == "cuda":
    report["card"] = torch.cuda.get_device_name()
    print(f"{report['card']}, torch {torch.__version__}", flush=True)
SMALL = ["tiny", "tiny_bf16"]
for name in SMALL if args.small else [*SMALL, *args.models.split(",")]:
    if in_time(name):
        model(name, timed=name not in SMALL)
save()
print(f"{report['seconds']} s; {len(problems)} out of bounds; left out for lack of time: {', '.join(left_out) or 'nothing'}")
sys.exit(1 if problems else 3 if left_out else 0)
