"""Weight files: hostile ones, and fetching with and without a network."""

import http.server
import pickle
import socket
import threading
import time

import pytest
import torch
from safetensors.torch import save_file

from strongreid.errors import InputError
from strongreid.models import ReIDModel, weights
from strongreid.models.weights import fetch, read_weights


@pytest.fixture
def empty_caches(tmp_path, monkeypatch):
    """No weights on this machine, and only what a test serves can be reached."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(weights.huggingface_hub, "try_to_load_from_cache", lambda hub_id, file: None)
    monkeypatch.setattr(weights.huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def served(tmp_path):
    """A host on this machine that serves one good state dict; yields its address and the paths asked for."""
    file = tmp_path / "served.pth"
    torch.save({"weight": torch.arange(3.0)}, file)
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.command)
            self.send_response(404 if "gone" in self.path else 200)
            self.send_header("Content-Length", str(file.stat().st_size))
            self.end_headers()

        def do_GET(self):
            self.do_HEAD()
            self.wfile.write(file.read_bytes())

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_imagenet_weights_without_a_network_fail_at_once_and_name_the_local_way(empty_caches, monkeypatch):
    def unreachable(*args, **kwargs):
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"resnet50\.tv_in1k.*huggingface.*download\.pytorch.*local|path.*safetensors"):
        ReIDModel(backbone="resnet50", people=3, weights="imagenet")
    assert time.monotonic() - start < 10


def test_a_host_that_accepts_and_says_nothing_is_given_up(empty_caches, monkeypatch):
    monkeypatch.setattr(weights, "SECONDS_TO_ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(InputError, match="no answer"):
            fetch("net", hub_id=None, hub_file=None, url=f"http://127.0.0.1:{silent.getsockname()[1]}/net.pth")
        assert time.monotonic() - start < 5


def test_weights_are_downloaded_once_and_then_found(empty_caches, served):
    address, asked = served
    for _ in range(2):
        file = fetch("net", hub_id=None, hub_file=None, url=f"{address}/net.pth")
        assert file == empty_caches / "net.pth"
        assert torch.equal(read_weights(file)["weight"], torch.arange(3.0))
    assert asked == ["HEAD", "GET"]


def test_a_download_with_the_wrong_checksum_is_thrown_away(empty_caches, served):
    with pytest.raises(InputError, match="download of"):
        fetch("net", hub_id=None, hub_file=None, url=f"{served[0]}/net-0123abcd.pth")
    assert list(empty_caches.iterdir()) == []


def test_an_address_that_is_gone_counts_as_no_answer(empty_caches, served):
    with pytest.raises(InputError, match="no answer"):
        fetch("net", hub_id=None, hub_file=None, url=f"{served[0]}/gone.pth")


def test_nothing_is_asked_when_the_user_says_offline(empty_caches, served, monkeypatch):
    monkeypatch.setattr(weights.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch("net", hub_id=None, hub_file=None, url=f"{served[0]}/net.pth")
    assert served[1] == []


def test_weights_in_the_hubs_cache_need_no_network(empty_caches, tmp_path, monkeypatch):
    torch.manual_seed(0)
    donor = ReIDModel(backbone="resnet18", people=2).backbone.state_dict()
    file = tmp_path / "model.safetensors"
    save_file(donor, file)
    asked = []
    monkeypatch.setattr(
        weights.huggingface_hub, "try_to_load_from_cache", lambda *names: asked.append(names) or str(file)
    )
    monkeypatch.setattr(weights, "answers", lambda address: pytest.fail("asked the network"))
    model = ReIDModel(backbone="resnet18", people=2, weights="imagenet")
    assert asked == [("timm/resnet18.tv_in1k", "model.safetensors")]
    assert all(torch.equal(value, donor[key]) for key, value in model.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("backbone", "wanted"),
    [
        ("resnet50", "resnet50.tv_in1k"),  # the paper's, not timm's default
        ("resnet50.a1_in1k", "resnet50.a1_in1k"),
        ("seresnet50", "seresnet50.a1_in1k"),
        ("legacy_seresnet50", "legacy_seresnet50.in1k"),
        ("resnet50_ibn_a", "resnet50_ibn_a .* no answer from .*XingangPan/IBN-Net"),
    ],
)
def test_imagenet_means_the_papers_weights_unless_the_name_has_a_tag(empty_caches, monkeypatch, backbone, wanted):
    monkeypatch.setattr(weights, "answers", lambda address: False)
    with pytest.raises(InputError, match=f"ImageNet weights {wanted}"):
        ReIDModel(backbone=backbone, people=2, weights="imagenet")


def test_our_small_network_has_no_imagenet_weights():
    with pytest.raises(InputError, match="no ImageNet weights for the backbone resnet10_small"):
        ReIDModel(backbone="resnet10_small", people=2, weights="imagenet")


class Intruder:
    def __reduce__(self):
        return (print, ("this must never run",))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_broken_weight_files_are_clear_errors(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    state = {"weight": torch.randn(200)}
    if suffix == ".pth":
        torch.save(state, whole)
    else:
        save_file(state, whole)
    content = whole.read_bytes()
    broken = tmp_path / f"broken{suffix}"
    for bad in (b"", b"nonsense" * 50, content[:7], content[: len(content) // 2], content[:-3]):
        broken.write_bytes(bad)
        with pytest.raises(InputError, match=f"{broken}"):
            read_weights(broken)
    with pytest.raises(InputError, match="There is no weight file"):
        read_weights(tmp_path / f"missing{suffix}")
    with pytest.raises(InputError, match="There is no weight file"):
        read_weights(tmp_path)


def test_code_in_a_pickle_does_not_run(tmp_path, capsys):
    file = tmp_path / "intruder.pth"
    torch.save({"weight": Intruder()}, file)
    with pytest.raises(InputError, match="more than tensors"):
        read_weights(file)
    file.write_bytes(pickle.dumps(Intruder(), protocol=2))
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(file)
    assert "never" not in capsys.readouterr().out


def test_a_file_with_more_than_a_state_dict_says_what_it_holds(tmp_path):
    file = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": {"weight": torch.zeros(1)}, "epoch": 3}, file)
    with pytest.raises(InputError, match="a table with state_dict, epoch"):
        read_weights(file)
    torch.save([1, 2], file)
    with pytest.raises(InputError, match="a list"):
        read_weights(file)
