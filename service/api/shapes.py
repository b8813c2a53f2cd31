"""Records as the api shows them: plain dictionaries, in step with `models` (a test compares them)."""

from typing import Any

from index.records.items import Item, Track
from index.records.job import Job
from index.space import Space
from service.api.calibration import confidence
from service.api.times import show_time

FOLDER = {"video": "videos", "image": "images"}


def item_path(item: Item) -> str:
    return f"/gallery/{FOLDER[item.kind]}/{item.id}"


def show_item(item: Item) -> dict[str, Any]:
    path = item_path(item)
    return {
        "id": item.id,
        "kind": item.kind,
        "content": item.content,
        "status": item.status,
        "camera_id": item.camera_id,
        "captured_at": show_time(item.captured_at_ms),
        "tags": dict(item.tags),
        "filename": item.filename or None,
        "media_type": item.media_type,
        "size_bytes": item.size_bytes,
        "sha256": item.sha256,
        "created_at": show_time(item.created_ms),
        "n_tracks": item.n_tracks,
        "gallery_version": item.gallery_version,
        "media": f"{path}/media",
        "tracks": f"{path}/tracks",
        "job": f"/jobs/{item.id}",
    }


def show_track(track: Track) -> dict[str, Any]:
    return {
        "track_id": track.id,
        "item_id": track.item_id,
        "kind": track.kind,
        "camera_id": track.camera_id,
        "start": show_time(track.start_ms),
        "end": show_time(track.end_ms),
        "offset_start_s": track.offset_start_s,
        "offset_end_s": track.offset_end_s,
        "n_frames": track.n_frames,
        "box": list(track.box),
        "tags": dict(track.tags),
        "thumbnail": f"/gallery/tracks/{track.id}/thumbnail",
        "media": f"/gallery/{FOLDER[track.kind]}/{track.item_id}/media",
    }


def show_hit(track: Track, score: float, space: Space) -> dict[str, Any]:
    return {
        "track_id": track.id,
        "item_id": track.item_id,
        "kind": track.kind,
        "score": score,
        "confidence": confidence(score, space),
        "camera_id": track.camera_id,
        "start": show_time(track.start_ms),
        "end": show_time(track.end_ms),
        "offset_start_s": track.offset_start_s,
        "offset_end_s": track.offset_end_s,
        "box": list(track.box),
        "tags": dict(track.tags),
        "thumbnail": f"/gallery/tracks/{track.id}/thumbnail",
        "media": f"/gallery/{FOLDER[track.kind]}/{track.item_id}/media",
    }


def show_job(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "item_id": job.item_id,
        "state": job.state,
        "attempts": job.attempts,
        "error": job.error,
        "created_at": show_time(job.created_ms),
        "updated_at": show_time(job.updated_ms),
        "gallery_version": job.gallery_version,
        "proof": job.proof,
    }


def show_upload(job: Job) -> dict[str, Any]:
    return {
        "item_id": job.item_id,
        "job_id": job.id,
        "state": job.state,
        "gallery_version": job.gallery_version,
    }
