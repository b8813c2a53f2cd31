"""Results of studies as one table: a row a variant, a column a test, mean and spread over seeds, and the cost."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from model.study.results import Result

PAPER = "paper, on MARS"


def as_table(
    results: Sequence[Result], clip_ms: Mapping[str, float], published: Mapping[str, str] | None = None
) -> str:
    """Markdown; Rank-1 / mAP in per cent, parameters in millions, milliseconds for one clip.

    clip_ms: of each variant, by name. published: of some, what their papers have: one column more.

    With several seeds each is `mean ± standard deviation`. Where studies differ in what a variant's network learns
    beside the embedding, its parameters are given from the least to the most.
    """
    tests = list(dict.fromkeys(each.test for each in results))
    heads = ["variant", *tests, "parameters", "ms a clip", *([PAPER] if published else [])]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for variant in dict.fromkeys(each.variant for each in results):
        own = [each for each in results if each.variant == variant]
        cells = [_cell([each for each in own if each.test == test]) for test in tests]
        sizes = " to ".join(dict.fromkeys(f"{each / 1e6:.1f}" for each in _ends([each.parameters for each in own])))
        paper = [published.get(variant, "")] if published else []
        lines.append(f"| {' | '.join([variant, *cells, f'{sizes} M', f'{clip_ms[variant]:.0f}', *paper])} |")
    return "\n".join(lines)


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


def _cell(found: Sequence[Result]) -> str:
    if not found:
        return ""
    return " / ".join(_spread(values) for values in ([each.rank1 for each in found], [each.map for each in found]))


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"
