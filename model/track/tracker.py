"""Follows several people at once, frame by frame: ByteTrack (Zhang et al., ECCV 2022) in seconds instead of frames.

Each frame's detections are matched to the boxes where the people followed so far should be by now. First the sure
detections; then the unsure ones, with people who were there a moment ago: somebody half hidden scores low, and so
does a coat stand, but only the former is where a person is expected. Who is seen often enough becomes a track, who is
not seen for too long is gone, and whoever comes back later is somebody new.

Where a track may have passed to somebody else it ends, for a track of two people is worse than two tracks of one: it
gives a gallery an embedding of nobody. So, beyond the paper: unsure detections bridge a gap but keep nobody alive,
else a track would cling to the coat stand until the next person passes it; and when one of two people disappears
behind the other, both tracks end, because nobody can tell which of them is still seen. (PETS 2009 S2L1, a film of
crossing walkers, ten frames a second, judged by a ReID network: without the second rule, which is `hiding` 1, 38 % of
all boxes lay in tracks whose people do not look alike, 10 % with it. The tracks are 81 then instead of 34.)

Other choices of ours: a matching of greatest total overlap above the limit, times in seconds, a filter in continuous
time (`kalman.py`), and no fusing of scores into overlaps.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.track.association import overlaps, pair
from model.track.errors import BadDetections, BadRules
from model.track.kalman import Motion
from model.track.tracks import Detections, Track


@dataclass(frozen=True, slots=True)
class TrackerRules:
    """When a detection is believed and whom it belongs to. Scores and overlaps (intersection over union) in [0, 1].

    Raises:
        BadRules: a value is out of its range.
    """

    sure_score: float = 0.6  # a detection that may begin somebody, or find anybody again
    unsure_score: float = 0.3  # less than this is not looked at
    overlap: float = 0.3  # with where a person should be, for sure detections: more than this
    overlap_unsure: float = 0.5  # the same for unsure ones
    hiding: float = 0.3  # overlap of a seen person with one not seen, above which the one hides the other
    confirming: int = 3  # sure detections in a row that make somebody a track
    lost_s: float = 1.0  # not seen for longer than this, a person is gone

    def __post_init__(self) -> None:
        if not 0 <= self.unsure_score <= self.sure_score <= 1:
            raise BadRules(
                f"0 <= unsure_score <= sure_score <= 1, and they are {self.unsure_score} and {self.sure_score}"
            )
        for name in ("overlap", "overlap_unsure", "hiding"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadRules(f"{name} is a share in [0, 1], and it is {getattr(self, name)}")
        if self.confirming < 1 or not self.lost_s > 0:
            raise BadRules(f"confirming >= 1 and lost_s > 0, and they are {self.confirming} and {self.lost_s}")


class Tracker:
    """Follows everybody in one piece of footage. Give it the frames in order of time; it keeps no pictures.

    The order of the detections within a frame means nothing.
    """

    def __init__(self, rules: TrackerRules | None = None) -> None:
        self._rules = rules or TrackerRules()
        self._people: list[_Person] = []
        self._last_s = -np.inf
        self._n_tracks = 0

    def update(self, found: Detections) -> list[Track]:
        """Take the next frame; returns the tracks that have ended by now.

        Raises:
            BadDetections: the frame is not later than the one before.
        """
        if found.time_s <= self._last_s:
            raise BadDetections(
                f"frames come in order of time, and frame {found.frame} at {found.time_s} s follows one at "
                f"{self._last_s} s: sort them, and use a new tracker for other footage"
            )
        ended = self._end([person for person in self._people if person.is_gone(found.time_s, self._rules.lost_s)])
        self._match(_ordered(found))
        self._last_s = found.time_s
        return ended + self._part_hidden(found.time_s)

    def finish(self) -> list[Track]:
        """The tracks of all who were still followed. The tracker has nobody left, and goes on counting ids."""
        return self._end(self._people)

    def _match(self, found: Detections) -> None:
        rules = self._rules
        sure = np.flatnonzero(found.scores >= rules.sure_score)
        unsure = np.flatnonzero((found.scores >= rules.unsure_score) & (found.scores < rules.sure_score))
        known = [person for person in self._people if person.id is not None]
        new = [person for person in self._people if person.id is None]

        missed, sure = self._extend(known, found, sure, rules.overlap)
        just_seen = [person for person in missed if person.last_s == self._last_s]
        self._extend(just_seen, found, unsure, rules.overlap_unsure)
        unconfirmed, sure = self._extend(new, found, sure, rules.overlap)
        self._end(unconfirmed)
        for row in sure:
            sighting = self._sighting(found, row)
            self._people.append(_Person(sighting, Motion.start(sighting.box)))
        self._confirm()

    def _extend(
        self, people: "list[_Person]", found: Detections, rows: npt.NDArray[np.int64], least: float
    ) -> "tuple[list[_Person], npt.NDArray[np.int64]]":
        """Give people their detections among these rows; returns the people and the rows that are left."""
        pairs = pair(overlaps(_expected(people, found.time_s), found.boxes[rows]), least)
        for place, column in pairs.together:
            people[place].see(self._sighting(found, rows[column]))
        return [people[place] for place in pairs.rows], rows[pairs.columns]

    def _sighting(self, found: Detections, row: np.int64) -> "_Sighting":
        score = float(found.scores[row])
        return _Sighting(found.frame, found.time_s, found.boxes[row], score, score >= self._rules.sure_score)

    def _confirm(self) -> None:
        for person in self._people:
            if person.id is None and len(person.sightings) >= self._rules.confirming:
                self._n_tracks += 1
                person.id = self._n_tracks

    def _part_hidden(self, time_s: float) -> list[Track]:
        """End the tracks of people who hide each other; whoever of them is seen begins anew with this sighting."""
        known = [person for person in self._people if person.id is not None]
        hidden = [person for person in known if person.last_s < time_s]
        seen = [person for person in known if person.last_s == time_s]
        covered = overlaps(_expected(hidden, time_s), _expected(seen, time_s)) > self._rules.hiding
        behind = [hidden[row] for row in np.flatnonzero(covered.any(axis=1))]
        front = [seen[column] for column in np.flatnonzero(covered.any(axis=0))]
        front = [person for person in front if len(person.sightings) > 1]  # else this is their first frame
        begun = [person.part() for person in front]
        ended = self._end(front + behind)
        self._people += begun
        return ended

    def _end(self, people: "list[_Person]") -> list[Track]:
        """Follow them no longer; returns the tracks of those who were confirmed."""
        self._people = [person for person in self._people if person not in people]
        return [person.track(person.id) for person in people if person.id is not None]


def follow(frames: Iterable[Detections], rules: TrackerRules | None = None) -> Iterator[Track]:
    """All tracks of one piece of footage, each as soon as it has ended.

    Raises:
        BadDetections: a frame is not later than the one before.
    """
    tracker = Tracker(rules)
    for found in frames:
        yield from tracker.update(found)
    yield from tracker.finish()


class _Sighting(NamedTuple):
    frame: int
    time_s: float
    box: npt.NDArray[np.float32]
    score: float
    sure: bool


class _Person:
    """Somebody who is followed: where they were seen, and how they move as of the last time."""

    def __init__(self, sighting: _Sighting, motion: Motion) -> None:
        self.id: int | None = None  # None until confirmed
        self.sightings = [sighting]
        self._motion = motion
        self._last_sure_s = sighting.time_s

    @property
    def last_s(self) -> float:
        return self.sightings[-1].time_s

    def is_gone(self, time_s: float, lost_s: float) -> bool:
        return time_s - self._last_sure_s > lost_s

    def expected(self, time_s: float) -> Motion:
        return self._motion.predict(time_s - self.last_s)

    def see(self, sighting: _Sighting) -> None:
        self._motion = self.expected(sighting.time_s).update(sighting.box)
        self.sightings.append(sighting)
        if sighting.sure:
            self._last_sure_s = sighting.time_s

    def part(self) -> "_Person":
        """Take the last sighting away; returns somebody new who has it and moves on from it."""
        return _Person(self.sightings.pop(), self._motion)

    def track(self, number: int) -> Track:
        """Up to the last sure sighting: what came after it may have been something else in that place."""
        last = max((place for place, sighting in enumerate(self.sightings) if sighting.sure), default=0)
        frames, times_s, boxes, scores, _ = zip(*self.sightings[: last + 1], strict=True)
        return Track(
            number,
            np.array(frames, np.int64),
            np.array(times_s, np.float64),
            np.array(boxes, np.float32),
            np.array(scores, np.float32),
        )


def _expected(people: list[_Person], time_s: float) -> npt.NDArray[np.float64]:
    """Where people should be by now, (N, 4)."""
    return np.array([person.expected(time_s).box for person in people], np.float64).reshape(-1, 4)


def _ordered(found: Detections) -> Detections:
    """The best first, then by place: what follows must not depend on the detector's order."""
    order = np.lexsort((*found.boxes.T, -found.scores))
    return Detections(found.frame, found.time_s, found.boxes[order], found.scores[order])
