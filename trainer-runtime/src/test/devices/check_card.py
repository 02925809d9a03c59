"""Runs the trainer's native functions on tensors that claim to be on a CUDA card, without one: FakeTensorMode follows
types, shapes and devices through every operation and fails where two devices meet. An operation must have a kernel for
CUDA, a tensor that is not a number must be on the card, and the norms must get what their CUDA kernels take. Exits with 1
if a function fails.

  mvn test -pl trainer-runtime -am -Dtest='Card*Test' -Dsurefire.failIfNoSpecifiedTests=false -Dcard.calls=/tmp/calls
  python trainer-runtime/src/test/devices/check_card.py /tmp/calls.*

It needs torch 2.7.1 built for CUDA, as pip has it for Linux, whose kernels are known without a card.
"""
import collections
import json
import pathlib
import sys

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "benchmarks" / "gpu"))
from functions import load

TYPES = {1: torch.int8, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32, 7: torch.float64,
         11: torch.bool, 15: torch.bfloat16, 24: torch.float8_e4m3fn}
KEYS = ("CUDA", "CompositeImplicitAutograd", "CompositeExplicitAutograd", "CompositeExplicitAutogradNonFunctional")


class Watch(TorchDispatchMode):
    """Every operation that is run."""

    def __init__(self):
        super().__init__()
        self.ops = set()

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op.namespace == "prim":  # a question of the interpreter's, such as where a tensor is
            return op(*args, **(kwargs or {}))
        self.ops.add(op.name())
        if not any(torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), key) for key in KEYS):
            raise AssertionError(f"{op.name()} has no kernel for CUDA")
        norm = op.overloadpacket.__name__
        if norm in ("native_group_norm", "native_group_norm_backward"):
            x = args[0]
            if not (x.is_contiguous() and x.dtype == args[4 if norm.endswith("backward") else 1].dtype):
                raise AssertionError(f"{norm} takes contiguous tensors of the weights' type")
        if norm in ("native_layer_norm", "native_layer_norm_backward"):
            x = args[0]
            weight = args[2] if norm == "native_layer_norm" else args[5]
            if x.dtype != weight.dtype:
                raise AssertionError(f"{norm} takes weights of the input's type, {x.dtype}, not {weight.dtype}")
        result = self.run(op, args, dict(kwargs or {}))
        for t in tree_leaves(result):
            if isinstance(t, torch.Tensor) and t.dim() > 0 and t.device.type != "cuda":
                raise AssertionError(f"{op.name()} makes a tensor on {t.device}")
        return result

    @staticmethod
    def run(op, args, kwargs):
        if op.overloadpacket.__name__ == "_efficient_attention_backward":
            kwargs.pop("scale")  # torch 2.7's function for tensors without values can't be given it
        try:
            return op(*args, **kwargs)
        except RuntimeError as e:
            if "CUDA driver" not in str(e):
                raise
        # It asked the driver which of its kernels to take. The shapes are those of the CPU's.
        if any(isinstance(t, torch.Tensor) and t.dim() > 0 and t.device.type != "cuda" for t in tree_leaves((args, kwargs))):
            raise AssertionError(f"{op.name()} gets tensors of two devices")
        return tree_map(on("cuda"), op(*tree_map(on("cpu"), args), **tree_map(on("cpu"), kwargs)))


def on(device):
    """To tensors as they are, but on another device."""
    return lambda t: t if not isinstance(t, torch.Tensor) else torch.empty_strided(t.size(), t.stride(), dtype=t.dtype, device=device)


def main(files):
    torch._C._set_graph_executor_optimize(False)  # as the trainer does
    torch._C._jit_override_can_fuse_on_gpu(False)
    # torch's own choice among its kernels for attention asks the card.
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)
    calls = {}
    for file in files:
        calls.update(json.load(open(file)))
    failed, ops = 0, collections.Counter()
    for source, inputs in calls.items():
        try:
            function = load(source)
            with FakeTensorMode(), torch.no_grad():
                given = [torch.empty_strided(i["shape"], i["strides"], dtype=TYPES[i["type"]], device="cuda") for i in inputs]
                with Watch() as watch:
                    function(*given)
            ops.update(watch.ops)
        except Exception as e:
            failed += 1
            print(f"FAILED: {' '.join(str(e).split())[-400:]}\n{source}")
    print(f"{len(calls)} functions, {failed} failed; {len(ops)} operations: {', '.join(sorted(ops))}")
    return 1 if failed or not calls else 0


sys.exit(main(sys.argv[1:]))
