"""Numbers for the words of the columns: camera ids and sets of tags."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Tags = frozenset[tuple[str, str]]
NO_CAMERA = -1


class Vocabulary:
    """Gives each camera id and each set of tags a number, for as long as the process lives.

    It only grows: one writer adds words while any number of threads look words up. A word that no row uses any more
    does no harm, and is left out of snapshots.
    """

    def __init__(self) -> None:
        self._cameras: dict[str, int] = {}
        self._camera_ids: list[str] = []
        self._tag_sets: dict[Tags, int] = {}
        self._tags: list[Tags] = []
        self._sets_with: dict[tuple[str, str], list[int]] = {}

    def camera(self, camera_id: str | None) -> int:
        """The camera's number, a new one if need be. For the writer."""
        if camera_id is None:
            return NO_CAMERA
        number = self._cameras.get(camera_id)
        if number is None:
            number = len(self._camera_ids)
            self._camera_ids.append(camera_id)
            self._cameras[camera_id] = number
        return number

    def tag_set(self, tags: Mapping[str, str] | Tags) -> int:
        """The number of exactly this set of tags, a new one if need be. For the writer."""
        words = frozenset(tags.items()) if isinstance(tags, Mapping) else tags
        number = self._tag_sets.get(words)
        if number is None:
            number = len(self._tags)
            self._tags.append(words)
            self._tag_sets[words] = number
            for pair in words:
                self._sets_with.setdefault(pair, []).append(number)
        return number

    def cameras_among(self, camera_ids: Iterable[str]) -> Codes:
        """Numbers of those cameras that were ever seen."""
        known = (self._cameras.get(camera_id) for camera_id in camera_ids)
        return np.array([number for number in known if number is not None], np.int32)

    def tag_sets_with(self, pairs: Iterable[tuple[str, str]]) -> Codes:
        """Numbers of the sets that contain all of `pairs`."""
        # Copied first: the writer may append to these lists meanwhile.
        lists = sorted((list(self._sets_with.get(pair, ())) for pair in pairs), key=len)
        if not lists:
            return np.arange(len(self._tags), dtype=np.int32)
        return np.array(sorted(set(lists[0]).intersection(*lists[1:])), np.int32)

    def camera_id(self, number: int) -> str | None:
        """The camera of that number."""
        return None if number == NO_CAMERA else self._camera_ids[number]

    def tags(self, number: int) -> Tags:
        """The tags of that number."""
        return self._tags[number]
