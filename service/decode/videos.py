"""Videos: one local file, one demuxer, known decoders, every limit checked by counting."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import av
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from service.decode.crops import DecodeLimits
from service.decode.errors import DamagedMedia, MediaError, TooLong, TooManyFrames, TooManyPixels, TooManyStreams
from service.decode.errors import UnsupportedMedia as Unsupported
from service.decode.sniff import Format
from service.decode.truncation import check_whole

DECODERS = frozenset(
    {"av1", "h263", "h264", "hevc", "libdav1d", "libvpx", "libvpx-vp9", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4"}
    | {"prores", "vp8", "vp9"}
)
FALLBACK_RATE = 25.0  # frames a second where neither the frames nor the container say


class VideoFile:
    """One video stream of a local file, as a context manager. `decoders` are the only ones that are ever started.

    Raises:
        UnsupportedMedia: no video stream, or one that no accepted decoder reads.
        DamagedMedia: not readable, or shorter than its headers state.
        TooManyStreams, TooManyPixels: by the container's headers.
    """

    def __init__(self, path: Path, found: Format, limits: DecodeLimits, *, decoders: frozenset[str] = DECODERS) -> None:
        check_whole(path, found)
        self._limits = limits
        self._decoders = decoders
        options = {"protocol_whitelist": "file", "codec_whitelist": ",".join(sorted(decoders))}
        try:
            # `file:` keeps a name with a colon from being taken for a protocol.
            self._container = av.open(f"file:{path}", format=found.opener, options=options, metadata_errors="ignore")
        except (FFmpegError, ValueError) as error:
            raise _failure(error, "its container cannot be read") from error
        try:
            self._stream = self._choose(found)
        except BaseException:
            self._container.close()
            raise
        self.n_frames = 0  # decoded so far
        self._clock = _Clock(float(self._stream.average_rate or FALLBACK_RATE))

    def __enter__(self) -> "VideoFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def n_frames_stated(self) -> int:
        """Frames by the container's word, which may be wrong; 0 when it says nothing."""
        if self._stream.frames > 0:
            return self._stream.frames
        if self._container.duration is None or self._stream.average_rate is None:
            return 0
        return max(0, round(self._container.duration / av.time_base * float(self._stream.average_rate)))

    @property
    def seconds(self) -> float:
        """Seconds decoded so far, by the frames' own times."""
        return self._clock.seconds

    def frames(self) -> Iterator[VideoFrame]:
        """Decode the frames in the order of showing, once.

        Raises:
            DamagedMedia: names the frame that could not be decoded, or says that there is none.
            TooManyFrames, TooManyPixels, TooLong: found on the way.
        """
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    raise self._damaged("its data are incomplete")
                for frame in packet.decode():
                    self._count(frame)
                    yield frame
        except (FFmpegError, ValueError) as error:
            raise _failure(error, f"frame {self.n_frames} cannot be decoded") from error
        if self.n_frames == 0:
            raise DamagedMedia("the video has no frame that can be decoded: send a whole file")

    def _count(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            raise self._damaged("its picture is incomplete")
        self._check_pixels(frame.width, frame.height)
        self.n_frames += 1
        self._clock.tick(frame.time)
        if self.n_frames > self._limits.max_video_frames:
            raise TooManyFrames(
                f"the video has more than {self._limits.max_video_frames} frames, which is the limit: cut it into parts"
            )
        if self.seconds > self._limits.max_video_seconds:
            raise TooLong(
                f"the video is longer than {self._limits.max_video_seconds:g} seconds, which is the limit: "
                "cut it into parts"
            )

    def _choose(self, found: Format) -> VideoStream:
        streams = self._container.streams
        if len(streams) > self._limits.max_video_streams:
            raise TooManyStreams(
                f"the container has {len(streams)} streams, the limit is {self._limits.max_video_streams}: "
                "send the video stream alone"
            )
        # A cover picture is stored as a video stream too.
        shown = [stream for stream in streams.video if not stream.disposition & Disposition.attached_pic]
        if not shown:
            kinds = ", ".join(sorted({stream.type for stream in streams})) or "no streams at all"
            raise Unsupported(f"the {found.media_type} file has no video stream, only {kinds}: send one with video")
        best = streams.best("video")
        stream = best if isinstance(best, VideoStream) and best in shown else shown[0]
        self._configure(stream)
        return stream

    def _configure(self, stream: VideoStream) -> None:
        context = stream.codec_context
        codec = "unknown" if context is None else context.codec.name
        if codec not in self._decoders:
            accepted = ", ".join(sorted(self._decoders))
            raise Unsupported(f"the video is coded as {codec}; accepted are {accepted}: convert it")
        self._check_pixels(context.width, context.height)
        context.thread_count = 1
        # The stream may state other sizes further in; twice the limit leaves room for padding.
        context.options = {"max_pixels": str(2 * self._limits.max_video_pixels)}

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._limits.max_video_pixels:
            raise TooManyPixels(
                f"the video's frames have {width} x {height} = {width * height} pixels, the limit is "
                f"{self._limits.max_video_pixels}: send a smaller one"
            )

    def _damaged(self, reason: str) -> DamagedMedia:
        return DamagedMedia(f"the video is damaged or cut short: frame {self.n_frames}, {reason}: send a whole file")


class _Clock:
    """Seconds of the frames seen: the span of their times and one step more, or their number over the rate."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._n = 0
        self._first: float | None = None
        self._last = 0.0

    def tick(self, time_s: float | None) -> None:
        self._n += 1
        if time_s is None:
            return
        self._first = time_s if self._first is None else min(self._first, time_s)
        self._last = max(self._last, time_s) if self._n > 1 else time_s

    @property
    def seconds(self) -> float:
        span = 0.0 if self._first is None else self._last - self._first
        if span <= 0 or self._n < 2:
            return self._n / self._rate
        return span * self._n / (self._n - 1)


def _failure(error: Exception, what: str) -> Exception:
    """The error to raise for one of FFmpeg's: memory stays memory, everything else is the file's fault."""
    if isinstance(error, MemoryError | MediaError):
        return error
    reason = getattr(error, "strerror", None) or str(error)
    return DamagedMedia(f"the video is damaged or cut short: {what} ({reason[:200]}): send a whole file")
