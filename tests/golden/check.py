"""Compare a loader of ours with the recorded outputs.

    python check.py package.module:load            # every fixture
    python check.py package.module:load name ...   # some of them

load(checkpoint, layout) gets the object that torch.load would give for a file of this origin and
the parsed layout.json (with "wanted", the name of the output), and returns a callable:
list of uint8 HxWx3 RGB arrays -> array or tensor (N, D). Raising NotImplementedError skips.
"""

import importlib
import json
import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import fill  # noqa: E402
import images  # noqa: E402


def read_layout(folder):
    return json.loads((pathlib.Path(folder) / "layout.json").read_text(encoding="utf-8"))


def state_dict(layout):
    return fill.fill({key: (shape, dtype) for key, shape, dtype in layout["keys"]})


def checkpoint(layout, prefix="", wrapper=None):
    """The file's object: nested as recorded (or as told), with other plausible entries beside."""
    out = {prefix + k: v for k, v in state_dict(layout).items()}
    for name in reversed(layout["file"]["wrapper"] if wrapper is None else wrapper):
        out = {name: out}
        out.update({other: 1 for other in layout["file"].get("other_top_level", []) if other in ("epoch", "rank1")})
    return out


def compare(got, want, tolerance):
    got = np.asarray(torch.as_tensor(got).detach().cpu(), np.float64)
    want = np.asarray(want, np.float64)
    if got.shape != want.shape:
        return False, f"shape {got.shape}, expected {want.shape}"
    if not np.isfinite(got).all():
        return False, "not finite"
    worst = np.abs(got - want).max() / np.sqrt((want**2).mean())
    return bool(worst <= tolerance), f"largest error {worst:.2e} of rms (allowed {tolerance:.1e})"


def check(load, folder, features=None):
    """[(output name, ok or None if skipped, text)] for one fixture folder."""
    folder = pathlib.Path(folder)
    layout = read_layout(folder)
    expected = np.load(folder / "expected.npz")
    inputs = {"plain": images.plain(*layout["input_size"]), "chain": images.chain()}
    results = []
    state = checkpoint(layout)
    for feature in dict.fromkeys(name.split("/")[1] for name in layout["outputs"]):
        if features and feature not in features:
            continue
        names = [name for name in layout["outputs"] if name.split("/")[1] == feature]
        try:
            extract = load(state, dict(layout, wanted=feature))
            for name in names:
                with torch.no_grad():
                    got = extract(inputs[name.split("/")[0]])
                results.append((name, *compare(got, expected[name], layout["tolerance"])))
        except NotImplementedError as error:
            results += [(name, None, f"skipped: {error}") for name in names]
    return results


def main(argv):
    module, _, function = argv[0].partition(":")
    load = getattr(importlib.import_module(module), function or "load")
    names = argv[1:] or sorted(p.parent.name for p in HERE.glob("*/layout.json"))
    bad = 0
    for name in names:
        for output, ok, text in check(load, HERE / name):
            bad += ok is False
            print(f"{name:42s} {output:28s} {'skip' if ok is None else 'ok' if ok else 'FAIL'}  {text}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
