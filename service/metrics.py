"""Every metric of the product: names, units and labels, declared once. One registry a process, made by a function.

Nothing is registered at import. Labels never carry ids, only values from short, known lists.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

STAGES: Final = ("decode", "queue", "encode", "search", "metadata")
# Seconds, from a search in a small gallery up to a long clip on a slow machine.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ITEMS: Final = (1, 2, 4, 8, 16, 32, 64, 128)


def build_version() -> str:
    """Version of the installed package."""
    try:
        return version("vills-retrieval")
    except PackageNotFoundError:
        return "unknown"


class StageMetrics:
    """Seconds of each stage of the work; part of both kinds of process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        seconds = Histogram(
            "vills_stage_seconds",
            "Seconds spent in one stage of a query or an upload.",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._children = {stage: seconds.labels(stage) for stage in STAGES}

    def observe(self, stage: str, seconds: float) -> None:
        """Count one stage. `stage` is one of STAGES."""
        self._children[stage].observe(seconds)


class ApiMetrics:
    """What one api process counts by itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "vills_requests_total",
            "Requests answered, by route template, method and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "vills_request_seconds",
            "Seconds from the first byte of a request's head to the last byte of its answer.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rejected = Counter(
            "vills_rejected_total",
            "Requests refused, by the code of the problem they were answered with.",
            ["reason"],
            registry=self.registry,
        )
        self.media_free = Gauge(
            "vills_media_free_bytes",
            "Bytes left where uploads grow, 0 while that folder cannot be used.",
            registry=self.registry,
        )
        self.stages = StageMetrics(self.registry)
        build = Gauge("vills_build_info", "Always 1; the label names the build.", ["version"], registry=self.registry)
        build.labels(build_version()).set(1)

    def collect(self) -> list[Metric]:
        """The families of this process, without the creation times that the text format shows as extra gauges."""
        return without_created(self.registry)


class WorkerMetrics:
    """What one worker process counts; it publishes the text to the store, and every api shows it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.stages = StageMetrics(self.registry)
        self._batch_items = Histogram(
            "vills_batch_items", "Clips in one forward pass.", buckets=_ITEMS, registry=self.registry
        )
        self._jobs = Counter(
            "vills_jobs_total", "Ingest attempts ended, by how they ended.", ["outcome"], registry=self.registry
        )
        self._queries = Counter(
            "vills_queries_total", "Queries answered by this worker, by outcome.", ["outcome"], registry=self.registry
        )
        self._index_bytes = Gauge(
            "vills_index_bytes", "Bytes of vectors and columns held in memory.", registry=self.registry
        )
        self._applied = Gauge(
            "vills_index_applied_entries", "Log position this worker's index stands at.", registry=self.registry
        )

    def observe_batch(self, items: int) -> None:
        """Count one forward pass of `items` clips."""
        self._batch_items.observe(items)

    def count_job(self, outcome: str) -> None:
        """Count one ingest attempt that ended as `done`, `retrying`, `dead` or `lost` (taken over)."""
        self._jobs.labels(outcome).inc()

    def count_query(self, outcome: str) -> None:
        """Count one query answered as `ok`, or refused with the code of its problem."""
        self._queries.labels(outcome).inc()

    def set_index(self, *, size_bytes: int, applied: int) -> None:
        """Show the size of the index and the log position it stands at."""
        self._index_bytes.set(size_bytes)
        self._applied.set(applied)

    def text(self) -> str:
        """All of it in the Prometheus text format, for publishing."""
        return render(without_created(self.registry))


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def render(families: list[Metric]) -> str:
    """Metric families in the Prometheus text format (version 0.0.4)."""
    return generate_latest(_Families(families)).decode()


def without_created(registry: CollectorRegistry) -> list[Metric]:
    """The registry's families without `_created` samples, which the text format would show as more gauges."""
    families = []
    for family in registry.collect():
        kept = Metric(family.name, family.documentation, family.type)
        kept.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
        families.append(kept)
    return families


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """Gauges of the whole service, the same from every api: dashboards show them with `max`."""

    queue_items: Mapping[str, int]
    queue_oldest_s: Mapping[str, float]
    slots_used: Mapping[str, int]
    dead_letters: int
    gallery_tracks: Mapping[str, int]
    gallery_version: int
    log_lag: Mapping[str, int]  # by process
    workers_ready: int
    durable: bool
    space: Mapping[str, str]


def server_gauges(figures: ServerFigures | None) -> list[Metric]:
    """Families of the gauges read from the store at the moment of the scrape. None: the store is away."""
    families = [_gauge("vills_store_up", "1 while the store answers.", "", {"": 0.0 if figures is None else 1.0})]
    if figures is None:
        return families
    info = GaugeMetricFamily("vills_space_info", "Always 1; the labels name the space.", labels=list(figures.space))
    info.add_metric(list(figures.space.values()), 1)
    return [
        *families,
        info,
        _gauge("vills_queue_items", "Entries that wait or run.", "queue", figures.queue_items),
        _gauge("vills_queue_oldest_seconds", "Age of the oldest entry, 0 if none.", "queue", figures.queue_oldest_s),
        _gauge("vills_slots_used", "Slots taken, of those that bound a queue.", "queue", figures.slots_used),
        _gauge("vills_dead_letters", "Jobs that failed for good.", "", {"": figures.dead_letters}),
        _gauge("vills_gallery_tracks", "Tracks in the records.", "kind", figures.gallery_tracks),
        _gauge("vills_gallery_version", "Position of the newest log entry.", "", {"": figures.gallery_version}),
        _gauge("vills_log_lag_entries", "Log entries a worker has not applied yet.", "process", figures.log_lag),
        _gauge("vills_workers_ready", "Workers that can answer queries.", "", {"": figures.workers_ready}),
        _gauge("vills_durable", "1 where what is acknowledged is on disk.", "", {"": float(figures.durable)}),
    ]


def _gauge(name: str, documentation: str, label: str, samples: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label] if label else [])
    for value_of_label, value in samples.items():
        family.add_metric([value_of_label] if label else [], value)
    return family


def merge(families: Iterable[Metric]) -> list[Metric]:
    """One family a name, with the samples of all that share it, so that HELP and TYPE come once."""
    merged: dict[str, Metric] = {}
    for family in families:
        if family.name in merged:
            merged[family.name].samples.extend(family.samples)
        else:
            merged[family.name] = family
    return list(merged.values())


def labelled(text: str, process: str) -> list[Metric]:
    """Families out of a process's published text, each sample with the label `process`.

    Raises:
        ValueError: it is not in the Prometheus text format.
    """
    families = []
    for family in text_string_to_metric_families(text):
        family.samples = [sample._replace(labels={**sample.labels, "process": process}) for sample in family.samples]
        families.append(family)
    return families
