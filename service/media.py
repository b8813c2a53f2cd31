"""Where uploads, thumbnails and query crops lie: a folder, or any other place that fsspec reaches.

Keys are relative paths such as `{space}/{item}/original`. In a folder, files are read and written directly, and what
has to outlast a power cut is synced before the call returns. All calls block: asyncio callers use `asyncio.to_thread`.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

CHUNK_BYTES = 256 * 1024
# A segment never starts with a dot: no way up, and none into the scratch folder.
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._@=+-]{0,199}(/[A-Za-z0-9_-][A-Za-z0-9._@=+-]{0,199})*", re.ASCII)
_SCRATCH = ".scratch"
_TREE_TRIES = 5  # a worker that loses an item writes one more file at most


class MediaStore:
    """Files by key. `url` is a folder, or an address in fsspec's words (`s3://bucket/prefix`, `memory://media`).

    Every method that takes a key raises ValueError for one that is no plain relative path, and reading methods raise
    FileNotFoundError for one that is not there.
    """

    scratch_dir: Path  # for uploads in progress; a local store has it on its own file system, where a rename is enough

    def __init__(self, url: str, *, scratch_dir: Path | None = None) -> None:
        """Open the store, making its folder. `scratch_dir` is for a store that is no folder, which needs one.

        Raises:
            ValueError: there is none. The temporary folder will not do: it is memory on many machines.
            PermissionError: the scratch folder belongs to somebody else.
        """
        self._fs, root = url_to_fs(url)
        self._root = root.rstrip("/")
        self.is_local = isinstance(self._fs, LocalFileSystem)
        if self.is_local:
            self._folder = Path(self._root or "/").absolute()
            self.scratch_dir = self._folder / _SCRATCH
        elif scratch_dir is None:
            raise ValueError(f"the media store {url} is no folder of this machine: name a scratch folder that is")
        else:
            self.scratch_dir = scratch_dir
        self.scratch_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self.scratch_dir.stat().st_uid
        if owner != os.getuid():
            raise PermissionError(
                f"the scratch folder {self.scratch_dir} belongs to user {owner}, this process runs as {os.getuid()}: "
                "uploads must not lie in another user's folder, remove it or give it to this user"
            )
        if self.is_local:
            _sync(self._folder.parent)

    def free_bytes(self) -> int:
        """Bytes left where uploads grow, which in a folder is also where they stay."""
        return shutil.disk_usage(self.scratch_dir).free

    # Listing

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix."""
        try:
            if self.is_local:
                with os.scandir(self._path(prefix)) as entries:
                    return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            found = self._fs.ls(self._address(prefix), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return [each["name"].rstrip("/").rpartition("/")[2] for each in found if each["type"] == "directory"]

    def written_s(self, prefix: str) -> float | None:
        """Unix time at which the newest file below a prefix was written; of a folder without files, its own."""
        if not self.is_local:
            times = [self._fs.modified(file).timestamp() for file in self._fs.find(self._address(prefix))]
            return max(times, default=None)
        folder = self._path(prefix)
        try:
            paths = [Path(parent) / name for parent, _, names in os.walk(folder) for name in names]
            return max(path.stat().st_mtime for path in paths or [folder])
        except FileNotFoundError:  # somebody is removing it
            return None

    # Writing

    def put_file(self, local: Path, key: str) -> None:
        """Move a finished file into the store, on disk when this returns. It is gone from `local` afterwards."""
        if not self.is_local:
            self._fs.put_file(str(local), self._address(key))
            local.unlink()
            return
        target = self._path(key)
        if local.stat().st_dev != self._folder.stat().st_dev:
            local = Path(shutil.move(local, self._scratch_file()))
        _sync(local)
        target.parent.mkdir(parents=True, exist_ok=True)
        local.replace(target)
        # Every folder up to the store's: one that another process made a moment ago may not be on disk yet.
        for folder in target.parents:
            _sync(folder)
            if folder == self._folder:
                break

    def write(self, key: str, content: bytes, *, durable: bool = False) -> None:
        """Write a small file: whole or not at all, and on disk when this returns if `durable`."""
        if not self.is_local:
            self._fs.pipe_file(self._address(key), content)
            return
        target = self._path(key)
        draft = self._scratch_file()
        try:
            draft.write_bytes(content)
            if durable:
                self.put_file(draft, key)
            else:
                _rename(draft, target)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    # Reading

    def read(self, key: str) -> bytes:
        """The whole file."""
        if self.is_local:
            return self._path(key).read_bytes()
        return bytes(self._fs.cat_file(self._address(key)))

    def open_range(self, key: str, start: int, length: int) -> Iterator[bytes]:
        """Up to `length` bytes from `start` on, in chunks of at most 256 KiB. The file is opened at once."""
        chunks = self._chunks(key, start, length)
        next(chunks)  # opens the file: what is not there is known now, and dropping the iterator closes it
        return chunks

    def size(self, key: str) -> int:
        """Bytes of the file."""
        if self.is_local:
            return self._path(key).stat().st_size
        return int(self._fs.size(self._address(key)))

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""
        return self._path(key).is_file() if self.is_local else bool(self._fs.isfile(self._address(key)))

    @contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """The file as a path of this machine for as long as the context lasts: itself, or a copy of it."""
        if self.is_local:
            path = self._path(key)
            path.stat()
            yield path
            return
        copy = self._scratch_file()
        try:
            self._fs.get_file(self._address(key), str(copy))
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    # Removing

    def delete(self, key: str) -> bool:
        """Remove one file; False when there was none."""
        try:
            if self.is_local:
                self._path(key).unlink()
            else:
                self._fs.rm_file(self._address(key))
        except FileNotFoundError:
            return False
        return True

    def delete_tree(self, prefix: str) -> int:
        """Remove all files below a prefix, on disk when this returns. Returns how many there were."""
        if not self.is_local:
            files = self._fs.find(self._address(prefix))
            for file in files:
                self._fs.rm_file(file)
            return len(files)
        folder = self._path(prefix)
        n_files = sum(len(names) for _, _, names in os.walk(folder))
        if folder.exists():
            _remove_tree(folder)
            _sync(folder.parent)
        return n_files

    def sweep(self, prefix: str, older_than_s: float) -> int:
        """Remove files below a prefix that were written longer ago than that. Returns how many."""
        before = time.time() - older_than_s
        if self.is_local:
            return _sweep(self._path(prefix), before)
        old = [file for file in self._fs.find(self._address(prefix)) if self._fs.modified(file).timestamp() < before]
        for file in old:
            self._fs.rm_file(file)
        return len(old)

    def sweep_scratch(self, older_than_s: float) -> int:
        """Remove what killed processes left in the scratch folder longer ago than that. Returns how many files."""
        return _sweep(self.scratch_dir, time.time() - older_than_s)

    # Addresses

    def _chunks(self, key: str, start: int, length: int) -> Iterator[bytes]:
        file: BinaryIO = self._path(key).open("rb") if self.is_local else self._fs.open(self._address(key), "rb")
        with file:
            yield b""
            file.seek(start)
            while length > 0 and (chunk := file.read(min(length, CHUNK_BYTES))):
                length -= len(chunk)
                yield chunk

    def _address(self, key: str) -> str:
        return f"{self._root}/{_checked(key)}"

    def _path(self, key: str) -> Path:
        return self._folder / _checked(key)

    def _scratch_file(self) -> Path:
        return self.scratch_dir / uuid4().hex


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key!r} is no media key: plain relative path, segments of letters, digits and ._@=+-")
    return key


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_tree(folder: Path) -> None:
    """Remove a folder and what is in it, even while somebody writes a last file into it or removes it too."""
    for tries_left in reversed(range(_TREE_TRIES)):
        try:
            shutil.rmtree(folder)
            return
        except OSError as error:
            if not folder.exists():
                return
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT) or not tries_left:
                raise


def _rename(draft: Path, target: Path) -> None:
    try:
        draft.replace(target)
    except FileNotFoundError:  # the first file in its folder
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)


def _sweep(folder: Path, before: float) -> int:
    n_removed = 0
    for parent, _, names in os.walk(folder):
        for path in (Path(parent) / name for name in names):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    n_removed += 1
    return n_removed
