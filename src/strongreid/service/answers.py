"""What is answered at each address. An answer is sent only after the audit log has it on the disk.

Decoding, the model and the disk wait in threads, so that the event loop never does; what people confirmed and what was
shown is touched by the loop alone.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import PurePath
from typing import Annotated, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from strongreid.gallery.audit import OURS, AuditLog, read_log
from strongreid.gallery.boxes import split_box
from strongreid.service import forms
from strongreid.service.batches import Batches
from strongreid.service.confirmations import CONFIRM, Confirmations, Shown
from strongreid.service.gate import Limits
from strongreid.service.metrics import CONTENT_TYPE, Meter
from strongreid.service.refusals import Refused
from strongreid.service.searching import Asked, Counted, Hit, Served, answer, count
from strongreid.service.thumbnails import thumbnail_of
from strongreid.service.uploads import Upload, decode, read_upload, small_jpeg

T = TypeVar("T")
DECODERS: Final = 2
"""Pictures that are decoded at a time: each may take some hundred megabytes."""
LISTS: Final = ("camera", "not_camera", "person", "track")
"""Parameters of a search that may come several times."""
JPEG, PNG = "image/jpeg", "image/png"
KeyInPath = Annotated[forms.Key, Path(description="The key of a hit.")]
SearchInPath = Annotated[forms.Digest, Path(description="A search.")]


class Answers:
    """What one service answers.

    Args:
        served: the model and the gallery.
        audit: where every search and confirmation is written.
        limits: what one request may take.
        needed: how many people must confirm a match before it counts.
        meter: what is counted.
    """

    def __init__(self, served: Served, audit: AuditLog, limits: Limits, needed: int, meter: Meter) -> None:
        self._served, self._audit, self._limits, self._meter = served, audit, limits, meter
        self._confirmations = Confirmations(needed)
        self._confirmations.replay(read_log(audit.path), served.address)
        self._batches = Batches(partial(answer, served, meter))
        self._decoders = ThreadPoolExecutor(DECODERS, "decoding")
        self._confirming = asyncio.Lock()
        self._calibration = forms.calibration(served.calibrated, served.network.metric)
        self._last_counted = count(served)
        known = None if self._calibration is None else self._calibration.model_dump(exclude={"rates", "words"})
        self._log(OURS, "start", {"model": served.model, "calibrated": known, "confirmations": needed})

    def close(self) -> None:
        """Answer what was asked, and close the log."""
        self._batches.close()
        self._decoders.shutdown()
        with suppress(OSError):  # of a log that takes no more: the service stops all the same
            self._log(OURS, "stop", {})
        self._audit.close()

    async def healthz(self) -> dict[str, str]:
        """Say that the service answers."""
        return {"status": "ok"}

    async def metrics(self) -> Response:
        """Return what was counted, as Prometheus reads it."""
        self._meter.pictures.set((await asyncio.to_thread(self._counted)).count)
        return Response(self._meter.text(), media_type=CONTENT_TYPE)

    async def about(self, request: Request) -> forms.AboutAnswer:
        """Say what is searched, and by whom."""
        counted = await asyncio.to_thread(self._counted)
        return forms.AboutAnswer(
            who=request.state.who,
            gallery=self._served.address,
            count=counted.count,
            cameras=counted.cameras,
            camera_names=counted.camera_names,
            calibrated=self._calibration,
            confirmations=self._confirmations.needed,
            megabytes=self._limits.megabytes,
            megapixels=self._limits.megapixels,
        )

    async def search(self, request: Request, choice: Annotated[forms.Choice, Query()]) -> forms.SearchAnswer:
        """Search with a photograph, or with the part of it in a box: the nearest pictures of the gallery."""
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        upload = await read_upload(request)
        choice = _with_fields(choice, upload)
        pixels = await self._in_time(self._decoded(upload, choice))
        asked = Asked(pixels, choice.k, choice.where, choice.by)
        hits = await self._in_time(asyncio.wrap_future(self._batches.ask(asked)))
        query = sha256(upload.content).hexdigest()
        details = {
            "began": began,
            "query": query,
            "box": choice.box,
            "asked": choice.model_dump(mode="json", exclude_defaults=True, exclude={"x", "y", "w", "h"}),
            "shown": [[hit.key, round(hit.distance, 6)] for hit in hits],
        }
        search = await asyncio.to_thread(self._log, request.state.who, "search", details)
        shown = Shown(query, choice.box, small_jpeg(pixels), {hit.key: hit for hit in hits})
        self._confirmations.remember(search, shown)
        return forms.SearchAnswer(
            search=search,
            searched=(await asyncio.to_thread(self._counted)).count,
            calibrated=self._calibration,
            hits=[self._hit(hit, shown) for hit in hits],
        )

    async def thumbnail(self, key: KeyInPath) -> Response:
        """Return a row's small picture: the gallery's own or, of a hit that was shown, what is at its path."""
        picture = (await asyncio.to_thread(self._served.gallery.thumbnails, [key])).get(key)
        hit = self._confirmations.hit(key)
        if picture is None and hit is not None and hit.path:
            picture = await asyncio.get_running_loop().run_in_executor(self._decoders, thumbnail_of, hit.path)
        if picture is None:
            raise _unknown("A row that is not there, or whose picture is not.", "The key of a hit.")
        return Response(picture, media_type=PNG if picture.startswith(b"\x89PNG") else JPEG)

    async def query(self, search: SearchInPath) -> Response:
        """Return the small picture that was searched with."""
        return Response(self._shown(search).picture, media_type=JPEG)

    async def confirm(self, request: Request, said: forms.Confirm) -> forms.ConfirmAnswer:
        """Say that a hit shows the person of the query. With two people needed, it counts after the second one."""
        shown = self._shown(said.search)
        if said.key not in shown.hits:
            raise _unknown("A hit that this search has not shown.", "The key of one of its hits.")
        match, who = shown.match(said.key), request.state.who
        async with self._confirming:
            names = list(dict.fromkeys([*self._confirmations.by(match), who]))
            counts = len(names) >= self._confirmations.needed
            details = {"search": said.search, "query": shown.query, "box": shown.box, "key": said.key}
            more = {"confirmed_by": names, "counts": counts}
            await asyncio.to_thread(self._log, who, CONFIRM, {**details, **more})
            self._confirmations.add(match, who)
        return forms.ConfirmAnswer(confirmed_by=names, counts=counts)

    async def waiting(self) -> forms.WaitingAnswer:
        """List the matches that one person has confirmed and another must still look at."""
        matches = [
            forms.WaitingMatch(
                **vars(hit),
                search=search,
                query=f"query/{search}",
                thumbnail=f"thumbnail/{hit.key}",
                confirmed_by=list(self._confirmations.by(shown.match(hit.key))),
            )
            for search, shown, hit in self._confirmations.waiting()
        ]
        return forms.WaitingAnswer(matches=matches)

    async def _decoded(self, upload: Upload, choice: forms.Choice) -> npt.NDArray[np.uint8]:
        network, most = self._served.network, self._limits.megapixels * 10**6
        work = partial(decode, upload.content, choice.box, most, network.image_size, network.interpolation)
        return await asyncio.get_running_loop().run_in_executor(self._decoders, work)

    async def _in_time(self, work: Awaitable[T]) -> T:
        """Wait for a part of an answer; `Refused` where it takes too long. A decoder's thread goes on all the same."""
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await work
        except TimeoutError as error:
            raise Refused(
                503,
                f"A picture or a search that took longer than {self._limits.seconds:g} seconds.",
                "What the machine can answer in that time.",
                "Send it again later, or a smaller picture.",
                {"retry-after": "5"},
            ) from error

    def _shown(self, search: str) -> Shown:
        shown = self._confirmations.shown(search)
        if shown is None:
            raise _unknown("A search that is not known here any more.", "One of the last searches since the start.")
        return shown

    def _hit(self, hit: Hit, shown: Shown) -> forms.HitAnswer:
        known = self._served.calibrated
        verdict = "not sure" if known is None else "same person" if hit.distance < known.threshold else "no match"
        return forms.HitAnswer(
            **vars(hit),
            name=PurePath(split_box(hit.path)[0]).name,
            thumbnail=f"thumbnail/{hit.key}",
            verdict=verdict,
            confirmed_by=list(self._confirmations.by(shown.match(hit.key))),
        )

    def _counted(self) -> Counted:
        """Return what the gallery holds, counted anew where that is some time ago."""
        if self._last_counted.is_old():
            self._last_counted = count(self._served)
        return self._last_counted

    def _log(self, who: str, event: str, details: dict[str, Any]) -> str:
        return self._audit.write(event, who, {"gallery": self._served.address, **details})


def _unknown(came: str, allowed: str) -> Refused:
    return Refused(404, came, allowed, "Search again.")


def _with_fields(choice: forms.Choice, upload: Upload) -> forms.Choice:
    """Return what a search asks for, where parts of the form say it too."""
    if not upload.fields:
        return choice
    given: dict[str, str | Sequence[str]] = {
        name: values if name in LISTS else values[-1] for name, values in upload.fields.items()
    }
    try:
        return forms.Choice.model_validate({**choice.model_dump(exclude_unset=True), **given})
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error
