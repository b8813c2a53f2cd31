"""Which ranked lists are worth looking at, out of a whole evaluation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.data.records import Track
from model.evaluation.answers import Ids, Numbers
from model.evaluation.evaluate import Compared
from model.evaluation.protocols import ids_of
from model.pictures.ranked import Shelf, ranked_list

RANKED, MISTAKES = "ranked.png", "mistakes.png"


def draw_sheets(folder: Path, compared: Compared, title: str, *, rows: int = 16, shown: int = 10) -> list[Path]:
    """Write two sheets of at most `rows` queries each, with the first `shown` answers of each; their files.

    `ranked.png`: queries spread evenly over all, which is what to expect. `mistakes.png`: those whose first answer is
    wrong, the surest first (by how much, in cosine, the best wrong answer leads the best right one); none, and
    no such file is left, where every first answer is right.

    Raises:
        NothingToAsk: no query has a right answer.
        OSError: the folder is not there, or a picture cannot be read any more.
    """
    cosines = compared.answers()
    answers = compared.reranked_answers() or cosines
    askable = _with_an_answer(compared)
    spread = askable[np.unique(np.linspace(0, len(askable) - 1, rows).round().astype(np.int64))]
    written = [_draw(folder / RANKED, compared, spread, f"{title}: spread over all queries", shown)]
    wrong = np.flatnonzero(answers.best_wrong >= answers.best_right)  # equal counts as wrong, as always in evaluation
    lead = cosines.best_wrong - cosines.best_right
    surest = askable[wrong[np.argsort(-lead[wrong], kind="stable")[:rows]]]
    (folder / MISTAKES).unlink(missing_ok=True)
    if len(surest):
        share = f"{len(wrong):,} of {len(askable):,} queries find somebody else first"
        written.append(_draw(folder / MISTAKES, compared, surest, f"{title}: {share}; the surest mistakes", shown))
    return written


def _draw(path: Path, compared: Compared, chosen: Numbers, title: str, shown: int) -> Path:
    queries = _shelf([compared.probe.queries[row] for row in chosen])
    same_camera = compared.probe.same_camera
    similarities, cosines = compared.similarities(chosen), compared.cosines(chosen)
    gallery = _shelf(compared.probe.gallery)
    ranked_list(path, similarities, queries, gallery, told=cosines, shown=shown, same_camera=same_camera, title=title)
    return path


def _shelf(tracks: Sequence[Track]) -> Shelf:
    """A track is shown by the picture in its middle."""
    return Shelf(ids_of(tracks), [track.paths[len(track.paths) // 2] for track in tracks])


def _with_an_answer(compared: Compared) -> Numbers:
    """Rows of the queries that have a right answer, rising: those that `Answers` tells of, in its order."""
    queries, gallery = compared.query_ids, compared.gallery_ids
    return np.array([row for row in range(len(queries)) if _is_answered(queries, row, gallery, compared)], np.int64)


def _is_answered(queries: Ids, row: int, gallery: Ids, compared: Compared) -> bool:
    right = gallery.person == queries.person[row]
    if compared.probe.same_camera:
        right = right & (gallery.camera != queries.camera[row])
    return bool(right.any())
