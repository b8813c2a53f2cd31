"""The one reader of the environment: every `VILLS_*` variable, its default, its unit and its check."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
LEAST_DECODER_BYTES = 512 * 2**20
DataDir = Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve())]


def _enough_to_decode(memory_bytes: int) -> int:
    if memory_bytes < LEAST_DECODER_BYTES:
        raise ValueError(f"a child's libraries alone fill 230 MiB: give it at least {LEAST_DECODER_BYTES} (512 MiB)")
    return memory_bytes


DecoderMemory = Annotated[int, AfterValidator(_enough_to_decode)]


class Settings(BaseSettings):
    """Everything that can be set from outside. Built once, in a process's `main`, never at import."""

    model_config = SettingsConfigDict(env_prefix="VILLS_", frozen=True, env_ignore_empty=True, extra="ignore")

    # Where things are
    data_dir: DataDir = Field(
        Path("vills-data"), validate_default=True, description="media, snapshots and the embedded store"
    )
    host: str = Field("127.0.0.1", description="address the api listens on; beyond loopback it asks for keys")
    port: int = Field(8000, ge=0, le=65535, description="port the api listens on; 0 takes a free one")
    redis_url: str | None = Field(
        None, description="`redis://` or `unix://` server; empty: the embedded one of `vills up`"
    )
    media_url: str | None = Field(
        None, description="fsspec address of the media store; empty: `media/` in the data folder"
    )
    model_dir: Path | None = Field(None, description="folder in which bare names of ONNX files are looked up")

    # The encoder (worker)
    encoder: str = Field(
        "vills-light",
        description="`vills-light`, `cosam`, `gltr`, `tkp`, `attributes`, `vrstc`, `stmp`, `m3d`, `sta` and "
        "`snippet`, which are trained; `vills-mobile`, `vills-tiny`, `vills-small`, `vills-base` "
        "and `baseline`, untrained without weights of your own; or `onnx:FILE`",
    )
    weights: Path | None = Field(
        None,
        description="safetensors for the encoder, but for ONNX files; empty: those that come with the product, "
        "else seeded, untrained",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where the encoder runs: `auto`, `cpu` or `cuda`"
    )
    threads: int = Field(0, ge=0, description="threads of the encoder on a CPU; 0: one a core")
    compile: bool = Field(False, description="`torch.compile` the encoder: slower start, a few per cent faster")
    new_space: bool = Field(False, description="let a worker with another encoder open a new, empty gallery")

    # Batching (worker)
    batch_items: Count = Field(
        32, description="most pictures in one forward pass; of clips so many fewer as they have frames"
    )
    batch_wait_s: float = Field(0.0, ge=0, description="how long a partly filled batch waits for more")

    # Limits at the door
    max_upload_bytes: Count = Field(512 * 2**20, description="largest request body, bytes")
    max_query_bytes: Count = Field(64 * 2**20, description="largest body of a query, bytes")
    max_image_pixels: Count = Field(50_000_000, description="largest picture, pixels")
    max_video_pixels: Count = Field(4096 * 2304, description="largest video frame, pixels")
    max_video_seconds: Seconds = Field(600.0, description="longest clip, seconds, by counting frames")
    max_video_frames: Count = Field(20_000, description="most frames in one clip")
    max_video_streams: Count = Field(8, description="most streams in one container")
    decoders: Count = Field(2, description="decoder children of each process")
    decoder_memory_bytes: DecoderMemory = Field(2**30, description="address space of a decoder child")
    decode_timeout_s: Seconds = Field(120.0, description="longest decode of one file, after which the child is killed")
    ingest_slots: Count = Field(1000, description="uploads that may wait or run; more get 429")
    query_slots: Count = Field(256, description="queries that may wait or run; more get 429")
    query_deadline_s: Seconds = Field(30.0, description="a query not answered by then gets 503")

    # Work
    lease_s: Seconds = Field(10.0, description="how long a silent worker keeps a job")
    renew_s: Seconds = Field(3.0, description="how often a lease is renewed")
    max_attempts: Count = Field(5, description="attempts before a job is dead")
    retry_delay_s: Seconds = Field(2.0, description="wait before the second attempt; doubles each time")
    drain_s: Seconds = Field(30.0, description="how long a stopping worker finishes what it began")
    snapshot_entries: Count = Field(5000, description="log entries between two snapshots of the index")

    # Observation
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe line logged: `debug`, `info`, `warning` or `error`"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`json`: one object a line; `console`: text for people"
    )

    @property
    def media_root(self) -> str:
        """Address of the media store, in fsspec's words."""
        return self.media_url or str(self.data_dir / "media")

    @property
    def scratch_dir(self) -> Path:
        """Where uploads grow and copies lie when the media store is not a folder of this machine."""
        return self.data_dir / "scratch"

    @property
    def loopback_only(self) -> bool:
        """Whether the api can be reached from this machine alone."""
        return self.host in {"127.0.0.1", "::1", "localhost"}
