"""`vills embed` with a real network: rows in order, the same person closer than another."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.commands.main import main

pytestmark = [pytest.mark.slow]

ONNX = Path(__file__).parents[3] / "shared" / "models" / "retail-0248.onnx"


def picture(path: Path, seed: int, noise: int) -> Path:
    """Blobs of colours by `seed`, with a little noise of its own."""
    coarse = np.random.default_rng(seed).integers(20, 235, (8, 4, 3))
    grain = np.random.default_rng(noise).integers(-15, 15, (128, 64, 3))
    pixels = coarse.repeat(16, axis=0).repeat(16, axis=1) + grain
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def embed(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["embed", *arguments])
    return int(caught.value.code or 0)


@pytest.mark.parametrize(
    "encoder",
    [
        pytest.param(
            f"onnx:{ONNX}", marks=pytest.mark.skipif(not ONNX.exists(), reason="../shared/models is not there")
        ),
        "vills-light",
        "vills-tiny",
    ],
)
def test_rows_are_unit_vectors_in_the_order_of_the_inputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VILLS_THREADS", "1")
    for seed in range(3):
        for noise in range(2):
            picture(tmp_path / f"{seed}-{noise}.png", seed, noise)
    names = ["0-0.png", "1-0.png", "2-0.png", "2-1.png", "0-1.png", "1-1.png", "0-0.png"]
    manifest = tmp_path / "list.csv"
    manifest.write_text("path,person_id,camera_id\n" + "".join(f"{name},{name[0]},c{name[2]}\n" for name in names))
    out = tmp_path / "rows.npy"
    options = ["--out", str(out), "--encoder", encoder]
    assert embed(*options, "--manifest", str(manifest), "--root", str(tmp_path)) == 0
    assert "7 x " in capsys.readouterr().out
    rows = np.load(out)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(rows[0], rows[6], rtol=0, atol=1e-6)  # some CPUs sum by the place in a batch
    likeness = rows[:3] @ rows[3:6].T
    assert likeness.argmax(axis=1).tolist() == [1, 2, 0]
    assert embed(*options, *(str(tmp_path / name) for name in names)) == 0
    np.testing.assert_allclose(np.load(out), rows, atol=1e-5)


def test_what_a_folder_holds_beside_media_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Bug: files that are neither were left out without a word, and who counted files found the rows shifted.
    monkeypatch.setenv("VILLS_THREADS", "1")
    folder, out = tmp_path / "people", tmp_path / "rows.npy"
    folder.mkdir()
    picture(folder / "b.png", 1, 1)
    (folder / "a.txt").write_text("notes")
    for damaged, code in ((None, 0), ("c.mp4", 1)):
        if damaged:
            (folder / damaged).touch()
        assert embed("--out", str(out), "--encoder", "vills-tiny", str(folder)) == code
        first = folder / (damaged or "a.txt")
        assert f"left out: neither picture nor clip (first: {first})" in capsys.readouterr().err
        assert np.load(out).shape[0] == 1


def test_a_bad_file_leaves_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = picture(tmp_path / "good.png", 1, 1)
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:100])
    out = tmp_path / "rows.npy"
    assert embed("--out", str(out), "--encoder", "vills-tiny", str(good), str(bad)) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vills: ")]
    assert "input 2" in line and "bad.png" in line
    assert not out.exists()
