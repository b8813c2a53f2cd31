"""Which queries of a data set ask: all, or those of whose track a manifest says something."""

from collections.abc import Mapping
from dataclasses import replace

from model.data.records import Dataset
from model.training.errors import BadConfig

MOST_SHOWN = 20  # values of a column, in a message


def asked_by(dataset: Dataset, where: Mapping[str, str]) -> Dataset:
    """The data set with the queries of which a frame has all these values in the manifest's columns; the whole track.
    Columns that every manifest may have, such as the camera's, are not asked.

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
            f"no query track of {dataset.name} has a frame with {dict(where)}: {_said(dataset, where)}; "
            "change `where`, or leave it out"
        )
    return replace(dataset, query=queries)


def _said(dataset: Dataset, where: Mapping[str, str]) -> str:
    """What could be asked for instead: the values of the columns that were named, or the columns that there are."""
    known = [dict(picture.known) for picture in dataset.query if picture.track != -1]
    columns = sorted({column for row in known for column in row})
    if unknown := sorted(where.keys() - columns):
        return f"{', '.join(unknown)} is none of its further columns ({', '.join(columns) or 'there are none'})"
    values = {column: sorted({row[column] for row in known if row.get(column)})[:MOST_SHOWN] for column in where}
    return "; ".join(f"{column} is {', '.join(each) or 'empty'}" for column, each in values.items())
