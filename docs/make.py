"""Makes the pictures and the measured figures of the README and these pages anew, from one finished demo and one table.

    python docs/make.py                 the demo (what is in runs/demo is gone on with, or it is made)
    python docs/make.py --tricks DIR    also gains.png, of the filled table `tricks` in that folder

Figures go between `<!-- demo -->` and `<!-- /demo -->`. What is shown follows the demo's rule: queries evenly spread,
and for the README's single query the middle one of them. All people are drawn.
"""

import argparse
import platform
import re
import shutil
import subprocess
from pathlib import Path

import torch
from PIL import Image

from strongreid.reports.console import Console
from strongreid.reports.drawing import save
from strongreid.reports.open_set import open_set_figure
from strongreid.reports.strips import QueryRow, draw_strips
from strongreid.runs.demo import DemoResult, run_demo
from strongreid.runs.folder import Run
from strongreid.runs.identify import identify_run
from strongreid.runs.open_set import USUAL

DOCS = Path(__file__).resolve().parent
COLOURS = 160
"""Colours of a picture in the repository: drawn people need no more, and files stay small."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--demo", type=Path, default=Path("runs/demo"))
    parser.add_argument("--tricks", type=Path)
    given = parser.parse_args()
    found = run_demo(given.demo, 0, Console())
    draw(found)
    draw_strangers(Run(given.demo / "bag_of_tricks"))
    if given.tricks is not None:
        shutil.copyfile(given.tricks / "gains.png", DOCS / "gains.png")
    for page in (DOCS.parent / "README.md", DOCS / "results.md"):
        fill(page, found)
    screenshot(found.page, DOCS / "report.png")
    for name in ("strips.png", "search.png", "gains.png", "report.png", "open_set.png"):
        make_smaller(DOCS / name)


def draw(found: DemoResult) -> None:
    """Draw all shown queries, and the middle one alone before and after the training."""
    draw_strips(found.queries, DOCS / "strips.png", title="What each network finds")
    middle = found.queries[len(found.queries) // 2]
    first, *_, last = middle.strips
    rows = [QueryRow(middle.query, {first: middle.strips[first], last: middle.strips[last]}, middle.label)]
    draw_strips(rows, DOCS / "search.png", title="Who is this? One search, before and after a minute of training")


def draw_strangers(run: Run) -> None:
    """Draw FNIR over FPIR on the run's own test set, for several numbers of enrolled people."""
    (found,) = identify_run(run, USUAL, Console()).values()
    save(open_set_figure(found.sizes), DOCS / "open_set.png", "png")


def fill(page: Path, found: DemoResult) -> None:
    """Put the demo's table and sentences between the marks of a page; a page without them is left alone."""
    table = ["| " + " | ".join(found.columns) + " |", "|" + "---|" * len(found.columns)]
    table += ["| " + " | ".join(cells) + " |" for cells in found.cells]
    machine = f"`strongreid demo`, seed 0, {torch.get_num_threads()} CPU cores, Python {platform.python_version()}, "
    machine += f"torch {torch.__version__.split('+')[0]}; percent."
    block = "\n".join(["<!-- demo -->", *table, "", *found.sentences, "", machine, "<!-- /demo -->"])
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r"<!-- demo -->.*?<!-- /demo -->", lambda _: block, text, flags=re.S), encoding="utf-8")


def screenshot(page: Path, picture: Path) -> None:
    """Show the head of the demo's page in headless Chromium; without one the old picture stays."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        print("No Chromium here: report.png is left as it was.")
        return
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1100,1400", f"--screenshot={picture}"]
    subprocess.run([browser, *options, page.resolve().as_uri()], check=True, capture_output=True, timeout=120)


def make_smaller(picture: Path) -> None:
    if picture.is_file():
        with Image.open(picture) as image:
            image.convert("RGB").quantize(COLOURS).save(picture, optimize=True)


if __name__ == "__main__":
    main()
