"""What the service counts, for Prometheus: requests, seconds, batches. Nothing of any person or user."""

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Meter.text` returns."""
SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
QUERIES: Final = (1, 2, 4, 8, 16, 32)


class Meter:
    """The counters of one service, in a registry of their own, so that two services in a process do not meet."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "strongreid_requests", "Requests by address and status", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "strongreid_request_seconds", "Seconds a request", ["path"], buckets=SECONDS, registry=self._registry
        )
        self.running = Gauge("strongreid_requests_running", "Requests that are running", registry=self._registry)
        self.batch = Histogram(
            "strongreid_batch_queries", "Queries that went through the model at once", buckets=QUERIES,
            registry=self._registry,
        )  # fmt: skip
        self.pictures = Gauge("strongreid_gallery_pictures", "Pictures in the gallery", registry=self._registry)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered; addresses that there are not count as one."""
        route: Any = scope.get("route")
        path = getattr(route, "path", "other")
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """Return all counters, as Prometheus reads them."""
        return generate_latest(self._registry)
