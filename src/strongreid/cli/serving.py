"""`serve` and `audit verify`: a service to search a gallery with, and its log."""

import re
from functools import partial
from pathlib import Path

from jsonargparse import ArgumentParser

from strongreid.cli.any_model import NOT_ONNX, OnnxChoice, chosen_model, open_model
from strongreid.cli.checks import require_file, require_output_file
from strongreid.cli.command import Command, parser_of
from strongreid.errors import InputError


def serve(
    gallery: str,
    model: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    names: list[str] | None = None,
    token_file: Path | None = None,
    audit: Path = Path("audit.jsonl"),
    two_person: bool = False,
    megabytes: int = 20,
    megapixels: int = 50,
    at_once: int = 64,
    seconds: float = 30.0,
    onnx: OnnxChoice = NOT_ONNX,
) -> None:
    """Serve a gallery: a page to search it with a photograph, and an API, described at /openapi.json.

    Everybody needs a token: NAME:TOKEN lines in --token_file, or in the variable STRONGREID_TOKEN; without either one
    is made for this run. Every search and confirmation is written to an audit log.

    Args:
        gallery: Address of the gallery.
        model: The folder of a run, a model file (.safetensors), hf:owner/name or an ONNX file, the one that made the
            gallery's features; by default the newest run in runs.
        host: Address to listen at; any but this machine's own needs tokens.
        port: Port to listen at; 0 takes any that is free.
        names: Host names by which users call the service, beside localhost and addresses in numbers.
        token_file: A file with a line NAME:TOKEN for each user.
        audit: The audit log, which only grows.
        two_person: Let a match count only after two people have confirmed it.
        megabytes: Size of the largest request, in 10^6 bytes.
        megapixels: Pixels of the largest picture, in 10^6.
        at_once: Requests at once; those beyond are answered with 429.
        seconds: How long a request may take to arrive, and how long to be answered.
        onnx: An ONNX file.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port is {port}; it must lie in 0 to 65535.")
    for name, value in (
        ("megabytes", megabytes),
        ("megapixels", megapixels),
        ("at_once", at_once),
        ("seconds", seconds),
    ):
        if not 0 < value < 10**6:
            raise InputError(f"--{name} is {value}; it must be above 0 and below 1,000,000.")
    require_output_file("--audit", audit, "audit.jsonl")
    if token_file is not None:
        require_file(token_file, "a file with a line NAME:TOKEN for each user")
    chosen = chosen_model(model, onnx)
    _require_libraries()

    from strongreid.reports.console import Console
    from strongreid.runs import serve as serving
    from strongreid.service.gate import Limits

    limits = Limits(megabytes=megabytes, megapixels=megapixels, at_once=at_once, seconds=seconds)
    choices = serving.Choices(host, port, tuple(names or ()), token_file, audit, two_person, limits)
    serving.serve(gallery, partial(open_model, chosen, onnx), choices, Console())


def audit_verify(file: Path, kept: str | None = None) -> None:
    """Check an audit log: whether any line was changed, removed, inserted or moved since it was written.

    Args:
        file: The log.
        kept: The hash of a line, which was kept elsewhere: it shows whether the end was cut off since.
    """
    require_file(file, "an audit log")
    if kept is not None and not re.fullmatch("[0-9a-f]{64}", kept):
        raise InputError(f"--kept is {kept!r}; a hash has 64 hexadecimal digits, as this command prints it.")

    from strongreid.gallery.audit import verify_log
    from strongreid.reports.console import Console

    console = Console()
    with console.bar("Checking the audit log") as report:
        found = verify_log(file, kept=kept, progress=report)
    console.say(*found.problems)
    if found.problems:
        total = len(found.problems) + found.more
        raise InputError(
            f"{file} is not as it was written: {total:,} problems in {found.lines:,} lines, listed above. "
            "Compare it with a copy, and find out who could write it."
        )
    console.say(f"{file}: {found.lines:,} lines, none changed, removed, inserted or moved.")
    if kept is None:
        console.say(
            "What the chain alone cannot show: that lines were cut off at its end, or that all of it was made anew. "
            "Keep this last hash elsewhere, and --kept HASH shows both:"
        )
    console.say(f"Last hash: {found.last}")
    if kept is None:
        console.suggest("audit", "verify", file, "--kept", found.last)


def _require_libraries() -> None:
    """Refuse to serve where a library of the extra is missing."""
    from importlib import import_module

    for name in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        try:
            import_module(name)
        except ImportError as error:
            raise InputError(
                f"The service needs the library {name}, which cannot be imported ({error}). Install it: pip install "
                "'strongreid[service]'"
            ) from error


def serve_parser() -> ArgumentParser:
    """Return the parser of `serve`."""
    parser = parser_of(serve, skip={"gallery", "names", "two_person"})
    parser.add_argument(
        "--gallery", required=True, metavar="ADDRESS", help="The gallery, as `gallery add --to` names it."
    )
    parser.add_argument(
        "--names",
        nargs="+",
        metavar="HOST",
        help="Host names by which users call the service, beside localhost and addresses in numbers.",
    )
    parser.add_argument(
        "--two_person", action="store_true", help="Let a match count only after two people have confirmed it."
    )
    return parser


SERVING = {
    "serve": Command(
        serve,
        "a page and an API to search a gallery with a photograph",
        ("serve --gallery GALLERY --model RUN", "serve --gallery GALLERY --token_file users.txt --two_person"),
        make_parser=serve_parser,
    ),
    "audit verify": Command(
        audit_verify,
        "whether a service's audit log is as it was written",
        ("audit verify audit.jsonl", "audit verify audit.jsonl --kept HASH"),
    ),
}
