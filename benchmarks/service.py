"""The service under many clients: p50 and p99 of a search, and what is answered beyond the limit.

    python benchmarks/service.py --clients 50 --seconds 60

Clients and service run on the same cores, over real sockets; the network is the small one, its gallery drawn people.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import numpy as np
import torch

from strongreid.drawn import draw_people
from strongreid.gallery import Gallery
from strongreid.models import ReIDModel, embed
from strongreid.models.fingerprint import model_fingerprint

TOKEN = "a-token-for-the-benchmark"


def prepare(folder: Path, rows: int) -> bytes:
    """Write a model, and a gallery of `rows` rows: drawn people's features with noise. Return a photograph."""
    drawn = draw_people(folder / "drawn", train_people=20, test_people=0, images_per_person=8, distractors=0, junk=0)
    paths = sorted((drawn / "bounding_box_train").glob("*.jpg"))
    network = ReIDModel(backbone="resnet10_small", people=2, image_size=(256, 128)).eval()
    network.save(folder / "model" / "model.safetensors")
    features = embed(network, paths)
    chosen = torch.arange(rows) % len(paths)
    noise = torch.randn(rows, features.shape[1], generator=torch.Generator().manual_seed(0))
    noisy = features[chosen] + 0.3 * features.std() * noise
    Gallery.open(folder / "gallery").add(noisy, model=model_fingerprint(network), camera=np.arange(rows) % 6)
    return paths[0].read_bytes()


def serve(folder: Path, at_once: int) -> tuple[subprocess.Popen[str], str]:
    """Start the service; return its process and its address."""
    words = ["serve", "--gallery", "gallery", "--model", "model", "--port", "0", "--token_file", "users.txt"]
    (folder / "users.txt").write_text(f"clients:{TOKEN}\n")
    command = [sys.executable, "-m", "strongreid", *words, "--at_once", str(at_once)]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "http://" in line:
            return process, next(word for word in line.split() if word.startswith("http://"))
    raise RuntimeError("the service did not start")


def crowd(address: str, picture: bytes, clients: int, seconds: float) -> tuple[Counter[int], list[float]]:
    """Search with many clients, each again and again; return the statuses, and the seconds of what was answered."""
    statuses, took = Counter[int](), list[float]()
    together, until = threading.Barrier(clients), time.monotonic() + seconds

    def client() -> None:
        with httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60, verify=False
        ) as one:
            together.wait()
            while time.monotonic() < until:
                began = time.perf_counter()
                status = one.post("/search?k=10", files={"image": picture}).status_code
                statuses[status] += 1
                if status == 200:
                    took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = prepare(folder, options.rows)
        for what, at_once, seconds in (("within", 64, options.seconds), ("beyond", 16, options.seconds / 6)):
            process, address = serve(folder, at_once)
            statuses, took = crowd(address, picture, options.clients, seconds)
            process.terminate()
            process.wait()
            p50, p99 = (1000 * np.quantile(took, share) for share in (0.5, 0.99))
            print(
                f"{what} the limit of {at_once}: {options.clients} clients, {seconds:g} s, {len(took) / seconds:.0f} "
                f"searches/s, p50 {p50:.0f} ms, p99 {p99:.0f} ms, statuses {dict(statuses)}"
            )


if __name__ == "__main__":
    main()
