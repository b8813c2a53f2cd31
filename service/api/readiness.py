"""Whether this service can answer now, and if not, why."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from index.errors import GalleryError, NoSpace
from index.records.processes import ProcessReport
from service.api.parts import Parts

_LOOK_S = 2.0


@dataclass(slots=True)
class Findings:
    """`reasons` keep it from being ready, `warnings` do not."""

    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checks: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        return {
            "ready": not self.reasons,
            "reasons": self.reasons,
            "warnings": self.warnings,
            "checks": self.checks,
        }


async def look(parts: Parts) -> Findings:
    """The disk; then store, space and workers, each of which is only asked where the one before is there."""
    findings = Findings()
    await _look_at_disk(parts, findings)
    try:
        async with asyncio.timeout(_LOOK_S):
            await _look_at_gallery(parts, findings)
    except NoSpace as error:
        findings.checks["store"] = "ok"
        findings.reasons.append(str(error) or "no worker has registered an encoder yet")
    except (GalleryError, TimeoutError) as error:
        findings.checks["store"] = "down"
        findings.reasons.append(f"the store does not answer: {error}" if str(error) else "the store does not answer")
    findings.checks["durable"] = parts.durability.durable
    if not parts.durability.durable:
        findings.warnings.append(f"uploads may be lost by a power cut: {parts.durability.reason}")
    return findings


async def _look_at_disk(parts: Parts, findings: Findings) -> None:
    """Whether there is room for an upload of the largest size, and a folder at all.

    Too little room is a warning. Queries need hardly any, and the apis of one folder run out of it together: were it a
    reason, a full disk would take away the search too. A folder that is gone is a reason: nothing that brings a file
    is answered without it, and another host may still have it.
    """
    most = parts.settings.max_upload_bytes
    try:
        async with asyncio.timeout(_LOOK_S):
            free = await asyncio.to_thread(parts.media.free_bytes)
    except (OSError, TimeoutError) as error:
        findings.checks["media"] = "down"
        why = getattr(error, "strerror", None) or "no answer"  # never the path: this is public
        findings.reasons.append(f"the media folder cannot be used ({why}): mount it, or make it again")
        return
    findings.checks.update(media="ok" if free >= most else "full", media_free_bytes=free)
    if free < most:
        findings.warnings.append(f"uploads may be refused: {free} bytes are left for media and one may take {most}")


async def _look_at_gallery(parts: Parts, findings: Findings) -> None:
    records = await parts.active.get(fresh=True)  # ready by what its workers registered, not by what was known before
    reports = await parts.workers.of(records.space.id)
    statistics = await records.items.statistics()
    findings.checks.update(
        store="ok",
        space=records.space.id,
        gallery_version=statistics.seq,
        tracks=statistics.count,
        workers=[_worker(report, statistics.seq) for report in reports],
    )
    if not reports:
        findings.reasons.append(f"no worker serves the space {records.space.id}: start one")
    elif not any(report.ready for report in reports):
        findings.reasons.append("no worker's index fits the records yet: it is loading, or being rebuilt")
    if not records.space.trained:
        findings.warnings.append(f"the encoder {records.space.encoder} is untrained: its answers mean nothing")


def _worker(report: ProcessReport, head: int) -> dict[str, Any]:
    return {
        "name": report.name,
        "ready": report.ready,
        "applied": report.applied_seq,
        "lag": max(0, head - report.applied_seq),
    }
