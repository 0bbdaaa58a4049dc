"""`make break`: 200 kills and 100 refusals of the disk at random changes of files, printed as a table.

Each training that was broken is resumed, up to six times, and must then be the unbroken one bit for bit, without a
byte left over. Then 50 kills of a process that adds to a gallery. Takes about twelve minutes on two cores.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import small_training  # first: it sets the environment before PyTorch is loaded
from tests.breaking.injection import KILLS, REFUSALS
from tests.breaking.trials import Break, Trials, summary
from tests.gallery.writers import check_after_kills

from strongreid.cli import main
from strongreid.drawn import draw_people


def run() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--refusals", type=int, default=100)
    options.add_argument("--gallery_kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        drawn = draw_people(folder / "people", train_people=10, test_people=6, distractors=4, junk=3, seed=7)
        assert main([*small_training(drawn, folder / "reference"), "--name=run"]) == 0
        trials = Trials(drawn, folder / "broken", folder / "reference" / "run")
        print(f"An unbroken training changes files {trials.changes} times.")
        for title, count, effects in (("Kills", given.kills, KILLS), ("Refusals", given.refusals, tuple(REFUSALS))):
            found: list[Break] = []
            started = time.monotonic()
            for one in trials.run(count, effects, given.seed):
                found.append(one)
                print(f"\r{title}: {len(found)} of {count}", end="", file=sys.stderr, flush=True)
            print(f"\n\n{title}: {len(found)}, all resumed to the same weights, log and result, nothing left over")
            print(f"({time.monotonic() - started:.0f} s)")
            print("\n".join(summary(found)))
        check_after_kills(folder / "gallery", given.gallery_kills, given.seed)
        print(f"\nGallery: {given.gallery_kills} kills, every acknowledged row there once")


if __name__ == "__main__":
    run()
