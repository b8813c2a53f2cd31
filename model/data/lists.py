"""Lists that come with a data set: lines of text, MATLAB matrices, splits into train and test."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model.data.errors import BadList, MissingData

Matrix = npt.NDArray[np.int64]


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, without white space around them.

    Raises:
        MissingData: the file is not there or cannot be read.
        BadList: the file is no text.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadList(f"{path} is no text: {error}") from error


def read_matrix(path: Path, name: str) -> Matrix:
    """The matrix of whole numbers called `name` in a MATLAB file, int64 (rows, columns).

    Raises:
        MissingData: the file is not there or cannot be read.
        BadList: it is no MATLAB file, has no such matrix, or holds something other than whole numbers.
    """
    if not path.is_file():
        raise MissingData(f"{path} is not there: it comes with the data set")
    found = _load_mat(path, name)
    if found.ndim != 2 or found.dtype.kind not in "iuf" or not np.array_equal(found, np.floor(found)):
        raise BadList(f"{name} in {path} must be a matrix of whole numbers and is {found.dtype} {found.shape}")
    return found.astype(np.int64)


def _load_mat(path: Path, name: str) -> npt.NDArray[Any]:
    from scipy.io import loadmat  # here: only lists in MATLAB's format need it

    try:
        return np.asarray(loadmat(path, variable_names=[name])[name])
    except NotImplementedError:  # MATLAB 7.3 files are HDF5, which scipy leaves to h5py
        return _load_hdf5(path, name)
    except KeyError as error:
        raise _lacks(path, name) from error
    except Exception as error:  # scipy tells of damage by errors of many kinds
        raise BadList(f"{path} cannot be read as a MATLAB file: {error}") from error


def _load_hdf5(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise BadList(f"{path} is a MATLAB 7.3 file, which only h5py reads: pip install h5py") from error
    try:
        with h5py.File(path) as file:
            return np.asarray(file[name]).T  # MATLAB stores columns first
    except KeyError as error:
        raise _lacks(path, name) from error
    except OSError as error:
        raise BadList(f"{path} cannot be read as a MATLAB 7.3 file: {error}") from error


def _lacks(path: Path, name: str) -> BadList:
    return BadList(f"{path} holds no matrix called {name}: take the file that comes with the data set")


@dataclass(frozen=True, slots=True)
class Halves:
    """Persons of a split, counted from 0 in the order of their folders."""

    train: tuple[int, ...]
    test: tuple[int, ...]


def read_halves(path: Path, split: int, persons: int) -> Halves:
    """A split as Wang et al. (ECCV 2014) list them: the first half of a row of `ls_set` tests, the second trains.

    Raises:
        MissingData: the file is not there.
        BadList: the file is no such list, has no split of that number (from 0), or splits other persons.
    """
    rows = read_matrix(path, "ls_set")
    if not 0 <= split < len(rows):
        raise BadList(f"{path} holds the splits 0 to {len(rows) - 1}, and not {split}")
    row = rows[split]
    if sorted(row.tolist()) != list(range(1, persons + 1)):
        raise BadList(f"each split in {path} must name the persons 1 to {persons} once, and split {split} does not")
    test, train = np.array_split(row - 1, 2)
    return Halves(tuple(sorted(train.tolist())), tuple(sorted(test.tolist())))
