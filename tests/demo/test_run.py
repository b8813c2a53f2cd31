"""The demo on a real service, with somebody's own folder."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image

from service.demo.run import LOG, SHEET, run
from service.demo.samples import MANIFEST, Sample
from service.demo.sheet import sheet_size
from service.settings import Settings

SHARED = Path(__file__).parents[3] / "shared"
ONNX = SHARED / "models" / "retail-0248.onnx"
QUICK = f"onnx:{ONNX}" if ONNX.exists() else "vills-tiny"  # where only start and stop are looked at


@pytest.fixture
def settings() -> Settings:
    """With the default encoder, as `make demo` has it."""
    return Settings(threads=1, decoders=1)


@pytest.fixture
def folder(few: list[Sample], few_folder: Path, tmp_path: Path) -> Path:
    """Three people under two cameras without a manifest, a text file and a clip that breaks off."""
    copy = tmp_path / "mine"
    shutil.copytree(few_folder, copy, ignore=shutil.ignore_patterns(MANIFEST))
    (copy / "cam-a" / "readme.txt").write_text("cameras of the gate")
    (copy / "cam-a" / "broken.mp4").write_bytes(few[0].path.read_bytes()[:300])
    return copy


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_folder_is_shown_whatever_lies_in_it(
    settings: Settings, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(settings, samples=folder, out=out) == 0
    told = capsys.readouterr().out
    for expected in ("readme.txt", "broken.mp4", "12 of 13 files are searchable", "image to video", "colour histogram"):
        assert expected in told
    assert "untrained" not in told
    with Image.open(out / SHEET) as sheet:
        assert sheet.size == sheet_size(columns=2, rows=6)
    assert (out / LOG).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGTERM, signal.SIGTERM]])
def test_a_signal_stops_it_in_order_and_leaves_nothing(
    few_folder: Path, tmp_path: Path, signals: list[signal.Signals]
) -> None:
    """Bug: SIGTERM, unlike Ctrl-C, killed the demo at once: its folder stayed, with everybody's pictures in it."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "service.commands.main", "demo"]
    process = subprocess.Popen(
        [*command, "--samples", str(few_folder), "--out", str(tmp_path / "out")],
        env=os.environ | {"TMPDIR": str(temporary), "VILLS_ENCODER": QUICK, "VILLS_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert any("service ready" in line for line in process.stdout)
        assert list(temporary.glob("vills-*"))
        children = psutil.Process(process.pid).children(recursive=True)
        for number in signals:
            process.send_signal(number)
        assert process.wait(120) != 0
    finally:
        process.kill()
        process.communicate()
    assert psutil.wait_procs(children, timeout=0)[1] == []
    assert list(temporary.glob("vills-*")) == []
    log = (tmp_path / "out" / LOG).read_text()
    assert "Traceback" not in log


def test_a_folder_that_is_not_there_is_said_before_anything_starts(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings, samples=tmp_path / "nowhere", out=tmp_path / "out") == 2
    assert "there is no folder" in capsys.readouterr().out
    assert not (tmp_path / "out" / LOG).exists()
