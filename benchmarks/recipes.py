"""Which learning rate and milestones the CPU recipes take: chosen on people held out of the training part.

    strongreid data draw drawn
    python benchmarks/recipes.py drawn --output recipes

The rule, stated before the first run: both recipes keep the paper's rate (3.5e-4) and the paper's fractions (warm-up in
the first 1/12 of the epochs, a tenth of the rate from 1/3 and a hundredth from 7/12 on), unless one other pair of rate
and milestones is better on the held-out people by at least 3 points of mAP for BOTH recipes, the mean over the seeds;
of several such pairs the one with the highest sum of both. The set's own query and gallery take no part.

40 of the training people are held out, drawn with seed 0: their images of the lowest camera that they have are queries,
the others the gallery. A finished training is not run again, so that a run that was cut off goes on. Prints the table
and what the rule says.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from statistics import mean

from held_out import write_table
from strongreid.cli import main as strongreid
from strongreid.data import load_benchmark

RECIPES = ("standard_baseline_small", "bag_of_tricks_small")
PAPER = (3.5e-4, "paper")
RATES = (3.5e-4, 1e-3, 2e-3)
FRACTIONS = {"paper": (1 / 3, 7 / 12), "late": (3 / 4, 11 / 12)}
HELD_OUT = 40
WORTH = 0.03


def mean_ap(recipe: str, rate: float, fractions: str, seed: int, table: Path, given: argparse.Namespace) -> float:
    """Train, unless that has been done, and return mAP on the held-out people, 0..1."""
    name = f"{recipe}-{rate:g}-{fractions}-seed{seed}"
    result = given.output / name / "result.json"
    if not result.is_file():
        milestones = [max(2, round(fraction * given.epochs)) for fraction in FRACTIONS[fractions]]
        words = ["train", f"--recipe={recipe}", "--data.name=table", f"--data.root={table}", f"--seed={seed}"]
        words += [f"--output={given.output}", f"--name={name}", f"--schedule.base_rate={rate}"]
        words += [f"--schedule.epochs={given.epochs}", f"--schedule.milestones={milestones}"]
        if recipe.startswith("bag"):
            words.append(f"--schedule.warmup_epochs={round(given.epochs / 12)}")
        if (given.output / name).is_dir():
            words = ["train", f"--resume={given.output / name}"]
        if strongreid(words):
            raise SystemExit(f"the training {name} failed")
    return float(json.loads(result.read_text())["mean_ap"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="a set in Market-1501's layout")
    parser.add_argument("--output", type=Path, default=Path("recipes"), help="folder of the table and the runs")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    table = given.output / "held_out.csv"
    write_table(load_benchmark("market1501", given.root).train, HELD_OUT, table)
    found = {
        (recipe, rate, fractions): mean(mean_ap(recipe, rate, fractions, seed, table, given) for seed in given.seeds)
        for (rate, fractions), recipe in product(product(RATES, FRACTIONS), RECIPES)
    }
    print(f"| rate | milestones | {' | '.join(RECIPES)} |\n|---|---|---|---|")
    better = {}
    for pair in product(RATES, FRACTIONS):
        values = [found[recipe, *pair] for recipe in RECIPES]
        gains = [value - found[recipe, *PAPER] for value, recipe in zip(values, RECIPES, strict=True)]
        if min(gains) >= WORTH:
            better[pair] = sum(values)
        print(f"| {pair[0]:g} | {pair[1]} | {' | '.join(f'{100 * value:.1f}' for value in values)} |")
    print("By the rule:", max(better, key=lambda pair: better[pair]) if better else PAPER)


if __name__ == "__main__":
    main()
