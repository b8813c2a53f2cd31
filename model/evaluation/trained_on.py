"""Whether figures are of people that the weights were trained on, as far as the weights say what that was."""

from collections.abc import Iterable

from model.data.records import Dataset
from model.encoder import EncoderCard
from model.evaluation.protocols import Probe

MANIFEST = "csv"  # a name that says nothing of whose pictures it lists


def persons_trained_on(card: EncoderCard, trained: Dataset, probes: Iterable[Probe]) -> int:
    """How many different persons the queries show who are in `trained.train`; 0 where the card does not name that set.

    `trained` is the data set as training takes it: where it has several splits, the first. What teachers or weights
    without a statement learned from is not known, and not counted.
    """
    if trained.name not in card.training_data.split("; ")[0].split(", "):  # data sets first, then notes
        return 0
    asked = {track.person for probe in probes for track in probe.queries}
    return len(asked & {picture.person for picture in trained.train})


def warning_of(persons: int, data: str) -> str:
    """What to say of figures on a data set of which so many persons were trained on, at least one."""
    what = f"{persons:,} of the persons asked for are among those that the weights were trained on"
    if data == MANIFEST:
        what += ", if that was this manifest"
    return f"{what}: these figures do not say how well it finds other people"
