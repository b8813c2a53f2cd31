"""What one file may cost, as the settings say it."""

from service.decode.crops import DecodeLimits
from service.settings import Settings


def decode_limits(settings: Settings) -> DecodeLimits:
    """The limits of every decoder of this process."""
    return DecodeLimits(
        max_image_pixels=settings.max_image_pixels,
        max_video_pixels=settings.max_video_pixels,
        max_video_seconds=settings.max_video_seconds,
        max_video_frames=settings.max_video_frames,
        max_video_streams=settings.max_video_streams,
        timeout_s=settings.decode_timeout_s,
        memory_bytes=settings.decoder_memory_bytes,
    )
