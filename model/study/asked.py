"""Which queries of a data set ask: all, or those of whose track a manifest says something."""

from collections.abc import Mapping
from dataclasses import replace

from model.data.records import Dataset
from model.training.errors import BadConfig


def asked_by(dataset: Dataset, where: Mapping[str, str]) -> Dataset:
    """The data set with the queries of which a frame has all these values in the manifest's columns; the whole track.

    The gallery stays as it is.

    Raises:
        BadConfig: no query is like that.
    """
    if not where:
        return dataset
    tracks = {picture.track for picture in dataset.query if where.items() <= dict(picture.known).items()}
    queries = tuple(picture for picture in dataset.query if picture.track in tracks - {-1})
    if not queries:
        raise BadConfig(
            f"no query track of {dataset.name} has a frame with {dict(where)}: the manifest's columns and what they "
            "say decide, or leave `where` out"
        )
    return replace(dataset, query=queries)
