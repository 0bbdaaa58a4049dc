"""Serving: model and gallery brought together, users and audit log found, then the service until it is to stop."""

import os
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import torch

from strongreid.errors import InputError, command_line
from strongreid.files import read_text
from strongreid.gallery import Gallery
from strongreid.gallery.audit import AuditLog, verify_log
from strongreid.reports.console import Console
from strongreid.runs.used_model import UsedModel
from strongreid.service.app import create_app
from strongreid.service.gate import Limits
from strongreid.service.searching import Served
from strongreid.service.server import listen, run_server
from strongreid.service.users import ALONE, Users, parse_users

TOKENS: Final = "STRONGREID_TOKEN"
"""The variable of the environment that may hold the users' tokens."""
_MOST_BYTES: Final = 2**20


@dataclass(frozen=True)
class Choices:
    """How to serve."""

    host: str
    port: int
    names: tuple[str, ...]
    token_file: Path | None
    audit: Path
    two_person: bool
    limits: Limits


def serve(address: str, load: Callable[[], UsedModel], choices: Choices, console: Console) -> None:
    """Serve a gallery until SIGINT or SIGTERM; `load` loads the model, after all that can be refused without it.

    Raises `InputError` where gallery and model do not go together, for a host beyond this machine without tokens, and
    where it cannot listen or write its log.
    """
    users, token = _users(choices, console)
    gallery = Gallery.open(address)
    gallery.require()
    served = _served(gallery, load(), console)
    with closing(listen(choices.host, choices.port)) as listening:
        audit = AuditLog(choices.audit)
        if audit.torn is not None:
            console.say(
                f"Warning: the last line of {choices.audit} was torn, as by a crash: {audit.torn:,} bytes that nobody "
                "was answered for. They are kept in a line that says so."
            )
        if problems := verify_log(choices.audit).problems:
            console.say(
                f"Warning: {choices.audit} is not as it was written. {problems[0]} Find out who could write it: "
                f"{command_line('audit', 'verify', choices.audit)}"
            )
        names = choices.host, *choices.names
        app = create_app(served, users, audit, names=names, limits=choices.limits, two_person=choices.two_person)
        host, port = listening.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        console.say(f"Audit log: {choices.audit}.")
        console.say(f"Open {url}{f'#token={token}' if token else ''} (Ctrl-C stops)")
        run_server(app, listening)
    console.say(f"Stopped; what ran was finished. The audit log's last hash, to be kept elsewhere: {audit.last}")
    console.suggest("audit", "verify", choices.audit)


def _users(choices: Choices, console: Console) -> tuple[Users, str | None]:
    """Return the users; where nobody is named, one with a new token, which is returned too."""
    given = os.environ.get(TOKENS, "")
    if choices.token_file is not None and given:
        raise InputError(f"--token_file and the variable {TOKENS} both hold tokens: give one of the two.")
    if choices.token_file is not None:
        text = read_text(choices.token_file, limit=_MOST_BYTES, remedy="Name a file with NAME:TOKEN lines.")
        if choices.token_file.stat().st_mode & 0o077:
            console.say(f"Warning: others than its owner may read {choices.token_file}: chmod 600 keeps them out.")
        users, token = parse_users(text, str(choices.token_file)), None
    elif given:
        users, token = parse_users(given, f"The variable {TOKENS}"), None
    elif _is_this_machine(choices.host):
        token = secrets.token_urlsafe()
        users = Users({ALONE: token})
    else:
        raise InputError(
            f"At {choices.host} others than this machine could reach the service, so its users need tokens: name a "
            f"file of NAME:TOKEN lines with --token_file, or put them into the variable {TOKENS}."
        )
    if choices.two_person and len(users.names) < 2:
        raise InputError(
            "--two_person needs at least two users, each with a token of their own: name a file of NAME:TOKEN lines "
            "with --token_file."
        )
    if not _is_this_machine(choices.host):
        console.say(
            "Note: tokens and photographs travel as they are; put a proxy with TLS before it (docs/service.md)."
        )
    return users, token


def _served(gallery: Gallery, used: UsedModel, console: Console) -> Served:
    """Look whether a gallery is the model's own; vectors are loaded, so that nobody waits for that later."""
    about, address = gallery.require(), gallery.address
    if about.model != used.made_by.fingerprint:
        raise InputError(
            f"The gallery {address} holds features of another model ({about.model[:12]}) than {used.made_by.path} "
            f"({used.made_by.fingerprint[:12]}), so distances would mean nothing. Name its model with --model."
        )
    used.require_metric(about.metric, address)
    console.say(used.words())
    gallery.search(torch.ones(1, about.width), 1, model=about.model)
    console.say(f"Gallery: {address}, {gallery.stats().count:,} pictures.")
    if used.calibrated is None:
        console.say("Note: the model is not calibrated, so every verdict is: not sure. `strongreid calibrate` does it.")
    whole = address if "://" in address else str(Path(address).absolute())  # what the log says must mean one gallery
    return Served(used.network, used.made_by.fingerprint, used.calibrated, gallery, whole)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
