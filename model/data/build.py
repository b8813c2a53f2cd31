"""Data sets by name."""

from collections.abc import Callable, Mapping
from pathlib import Path

from model.data import cuhk01, cuhk03, ilidsvid, lsvid, manifest, market1501, mars, msmt17, prid2011
from model.data.errors import UnknownData
from model.data.records import Dataset

LOADERS: Mapping[str, Callable[[Path], Dataset]] = {
    "market1501": market1501.load,
    "msmt17": msmt17.load,
    "cuhk01": cuhk01.load,
    "cuhk03": cuhk03.load,
    "prid2011": prid2011.load,
    "ilidsvid": ilidsvid.load,
    "mars": mars.load,
    "lsvid": lsvid.load,
    "csv": manifest.load,
}

SPLIT_LOADERS: Mapping[str, Callable[[Path, int], Dataset]] = {
    "prid2011": lambda root, split: prid2011.load(root, split=split),
    "ilidsvid": lambda root, split: ilidsvid.load(root, split=split),
}


def load_dataset(name: str, root: Path, split: int | None = None) -> Dataset:
    """The data set of that name from the folder its authors distribute, checked to be whole.

    `split`: which of the ten that prid2011 and ilidsvid come with, from 0; None is the first, the one that training
    takes.

    Raises:
        UnknownData: no data set has that name, or a split was asked of one that has a single one.
        DataError: the folder is not that data set, or not all of it; says what is missing.
    """
    if name not in LOADERS:
        raise UnknownData(f"no data set is called {name!r}: there are {', '.join(LOADERS)}")
    if split is None:
        return LOADERS[name](root)
    if name not in SPLIT_LOADERS:
        raise UnknownData(f"{name} has one split, and {split} was asked for: {', '.join(SPLIT_LOADERS)} have several")
    return SPLIT_LOADERS[name](root, split)
