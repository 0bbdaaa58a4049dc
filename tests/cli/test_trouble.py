"""What ends a command: one line, once, with an exit code; no traceback but in a file."""

import errno
import os
import re
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from strongreid.cli import COMMANDS, main
from strongreid.cli.command import Command
from strongreid.cli.trouble import guarded
from strongreid.errors import InputError

OURS = {errno.EBADF, errno.EFAULT, errno.ENOTSOCK, errno.ENOTTY}
"""What no user can fix."""
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def raised(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def with_command(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Add a command `break` that does `work`."""

    def run() -> None:
        work()

    monkeypatch.setitem(COMMANDS, "break", Command(run, "fail", ("break", "break")))


@pytest.mark.parametrize(
    "number",
    sorted(set(errno.errorcode) - OURS - {errno.EPIPE, errno.ESHUTDOWN}),
    ids=lambda number: errno.errorcode[number],
)
def test_every_error_of_the_system_is_one_line(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    error = OSError(number, os.strerror(number), "some/file\n\x1b[2J")
    assert guarded(raised(error)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(r"strongreid: error: some/file\n\x1b[2J: " + os.strerror(number))
    assert guarded(raised(OSError(number, os.strerror(number)))) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert os.strerror(number) in line


def open_until_it_fails(path: Path) -> None:
    with ExitStack() as opened:
        while True:
            opened.enter_context(path.open())


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda folder: (folder / ("x" * 300)).open("w"), errno.ENAMETOOLONG),
        (lambda folder: (folder / "file" / "below").mkdir(), errno.ENOTDIR),
        (lambda folder: (folder / "file").mkdir(), errno.EEXIST),
        (lambda folder: (folder / "loop").open(), errno.ELOOP),
        (lambda folder: (folder / "none").open(), errno.ENOENT),
        (lambda folder: folder.open("w"), errno.EISDIR),
        (lambda folder: folder.rmdir(), errno.ENOTEMPTY),
        (lambda folder: Path("/dev/full").write_text("x" * 100_000), errno.ENOSPC),
        (lambda folder: open_until_it_fails(folder / "file"), errno.EMFILE),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
def test_errors_of_a_real_system_are_one_line(
    make: Callable[[Path], object],
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with_command(monkeypatch, lambda: make(tmp_path))
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        assert main(["break"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (line,) = capsys.readouterr().err.splitlines()
    assert os.strerror(number) in line


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")]
)
def test_too_little_memory_is_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raised(error)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "not enough memory" in line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("much\nmore\x1b[31m"),
        KeyError("x"),
        RecursionError(),
        OSError("no number"),
        AssertionError(),
        ZeroDivisionError("z"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_anything_else_is_one_line_and_a_file_with_the_traceback(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with_command(monkeypatch, raised(error))
    assert main(["break"]) == 70
    (line,) = capsys.readouterr().err.splitlines()
    assert "defect of strongreid" in line
    assert "\x1b" not in line
    path = re.search(r"in (/\S+\.log)", line)
    assert path is not None
    log = Path(path[1])
    assert log.parent == tmp_path
    text = log.read_text()
    assert text.count("Traceback (most recent call last)") == 1
    assert type(error).__name__ in text
    assert "in raised" in text or "in command" in text


def test_a_traceback_that_no_file_takes_is_written_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/null/nowhere")
    with_command(monkeypatch, raised(ValueError("odd")))
    assert main(["break"]) == 70
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert said.splitlines()[-1].endswith("its traceback stands above.")


def test_ctrl_c_and_a_closed_pipe_have_codes_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raised(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "strongreid: stopped.\n"
    assert guarded(raised(KeyboardInterrupt("Go on with: x"))) == 130
    assert capsys.readouterr().err == "strongreid: stopped. Go on with: x\n"
    assert guarded(raised(BrokenPipeError(errno.EPIPE, "Broken pipe"))) == 141
    assert capsys.readouterr().err == ""


def test_a_working_folder_that_was_removed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    with_command(monkeypatch, lambda: Path("runs").absolute())
    gone.rmdir()
    for words in (["break"], ["data", "list"], ["train", "folder", "people"]):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "people" in line or "working folder was removed" in line
    assert guarded(lambda: len(str(Path.cwd()))) == 2
    assert "working folder was removed" in capsys.readouterr().err
    assert main(["--help"]) == 0


def test_warnings_of_libraries_are_one_harmless_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def warn() -> None:
        warnings.simplefilter("always")
        warnings.warn("odd file \x1b]0;evil\x07\nname", UserWarning, stacklevel=1)

    with_command(monkeypatch, warn)
    assert main(["break"]) == 0
    assert capsys.readouterr().err == r"Warning: odd file \x1b]0;evil\x07\nname" + "\n"


def run(code: str, *, redirect: str = "", **options: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in a shell that redirects its streams."""
    command = f"exec {sys.executable} -c '{textwrap.dedent(code)}' {redirect}"
    return subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True, **options)  # type: ignore[call-overload,no-any-return]


WORK = """
import sys, warnings
from pathlib import Path
from strongreid.cli import COMMANDS, main
from strongreid.cli.command import Command
from strongreid.reports.console import Console
def work(folder: Path) -> None:
    console = Console()
    with console.training_bar("own", 3) as report:
        for epoch in (1, 2, 3):
            with console.bar("Embedding") as show:
                show(1, 1)
            report(epoch, 1.0, {"total": 1.0})
            console.say("said " * 5000)
            print("printed" * 5000, file=sys.stderr)
            print("printed" * 5000)
            warnings.warn("a warning")
    console.table("t", ("a", "b"), [["1", "2"]])
    (folder / "done").touch()
    (folder / "streams").write_text(str([Path(f"/proc/self/fd/{number}").readlink() for number in (0, 1, 2)]))
COMMANDS["work"] = Command(work, "", ("", ""))
sys.exit(main(["work", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    "redirect", ["2>&-", "2>/dev/full", "2>&1 >&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full 2>/dev/full"]
)
def test_a_closed_or_full_stream_ends_nothing(redirect: str, tmp_path: Path) -> None:
    ended = run(WORK, redirect=f"{tmp_path} {redirect}")
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "done").exists()
    assert "Error" not in ended.stderr
    if "2>&-" in redirect:  # nothing that is opened later may become the standard error
        assert "/dev/null" in (tmp_path / "streams").read_text()


def test_a_reader_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    ended = run(WORK, redirect=f"{tmp_path} 2>&1 | head -c 10; test -e {tmp_path}/done; echo $?")
    assert ended.stdout.endswith("0\n")
    assert ended.stderr == ""
    ended = run(
        'import sys; from strongreid.cli import main; sys.exit(main(["train", "--help"]))', redirect="| head -1"
    )
    assert (ended.stdout, ended.stderr) == ("Examples:\n", "")


REFUSING = """
import os, sys, time
from strongreid.cli.trouble import guarded
from strongreid.errors import InputError
from strongreid.reports.terminal import guarded_streams
def work():
    rank, alone = int(os.environ["RANK"]), sys.argv[1]
    if alone not in ("both", str(rank)):
        time.sleep(60)
    raise InputError("This is refused.")
with guarded_streams():
    sys.exit(guarded(work))
"""


@pytest.mark.parametrize("who", ["both", "1"])
def test_under_torchrun_a_refusal_is_said_once_whoever_refuses(who: str, tmp_path: Path) -> None:
    script = tmp_path / "refusing.py"
    script.write_text(REFUSING)
    ended = subprocess.run([*TORCHRUN, str(script), who], check=False, capture_output=True, text=True, timeout=250)
    assert ended.returncode != 0
    assert ended.stderr.count("strongreid: error: This is refused.") == 1


def test_the_first_that_refuses_speaks_and_the_others_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Several processes at once, many times: one message each time, and no process ends before it was written."""
    code = (
        "import os, sys\nfrom strongreid.cli.trouble import complain\nsys.stdin.read()\ncomplain('refused')\n"
        "os.write(1, b'ended ')\n"
    )
    for attempt in range(2):
        folder = tmp_path / f"attempt_{attempt}"
        folder.mkdir()
        processes = []
        for rank in range(3):
            monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(folder / str(rank) / "error.json"))
            processes.append(subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=1))
        for process in processes:
            assert process.stdin is not None
            process.stdin.close()
        assert [process.wait(60) for process in processes] == [0] * 3
        said = capfd.readouterr().out
        assert said.replace("ended ", "") == "strongreid: refused\n"
        assert said.startswith("strongreid")


def test_who_was_killed_before_it_spoke_does_not_silence_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(tmp_path / "0" / "error.json"))
    code = (
        "import time\nfrom strongreid.cli.trouble import _turn_to_speak\nwith _turn_to_speak():\n"
        "    print('mine', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mine\n"
        process.send_signal(signal.SIGKILL)
    assert guarded(raised(InputError("Mine."))) == 2
    assert "Mine." in capsys.readouterr().err
    assert guarded(raised(InputError("Again."))) == 2, "the one that spoke may speak again"
    assert "Again." in capsys.readouterr().err
    (tmp_path / "strongreid.spoken").write_text("1")
    assert guarded(raised(InputError("Theirs."))) == 2
    assert capsys.readouterr().err == ""


def test_of_a_bad_image_our_refusal_is_said_and_no_warning_of_pillow(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = tmp_path / "people"
    for path in sorted((drawn / "bounding_box_train").iterdir()):
        (people / path.name[:4]).mkdir(parents=True, exist_ok=True)
        Image.open(path).save(people / path.name[:4] / path.name, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    bomb = people / path.name[:4] / "bomb.png"
    Image.new("1", (10_000, 9_000)).save(bomb)
    assert main(["data", "check", "folder", str(people)]) == 2
    said = capsys.readouterr().err
    assert f"{bomb}: " in said
    assert "10000 x 9000 pixels" in said
    assert not {"Warning:", "DecompressionBombWarning", "EXIF", "DOS"} & set(said.split())
