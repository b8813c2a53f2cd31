"""Results of studies as tables: a row a variant, a column a test, mean and spread over seeds; and a row a claim."""

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from model.study.config import Claim
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


def claims_table(asked: Sequence[tuple[Sequence[Result], Sequence[Claim]]]) -> str:
    """Markdown; of studies, their results and claims. Empty where nothing was found to ask.

    Rank-1 / mAP in per cent, over the seeds that both variants have been found with; their differences are of equal
    seeds. A claim appears with a seed if both rates are higher.
    """
    heads = ("claim", "asked of", "by", "with", "without", "difference", "appears")
    rows = [row for results, claims in asked for claim in claims for row in _claimed(results, claim)]
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows]) if rows else ""


def _claimed(results: Sequence[Result], claim: Claim) -> list[str]:
    """A claim's row, if there is a seed to ask it with."""
    own, other = (
        {each.seed: each for each in results if (each.variant, each.test) == (variant, claim.test)}
        for variant in (claim.variant, claim.over)
    )
    pairs = [(own[seed], other[seed]) for seed in own if seed in other]
    if not pairs:
        return []
    gains = [(each.rank1 - base.rank1, each.map - base.map) for each, base in pairs]
    appears = f"{sum(min(gain) > 0 for gain in gains)} of {len(gains)}"
    cells = (_cell([each for each, _ in pairs]), _cell([base for _, base in pairs]), _differences(gains), appears)
    return [f"| {' | '.join((claim.says, f'{claim.variant}, {claim.over}', claim.test, *cells))} |"]


def _differences(gains: Sequence[tuple[float, float]]) -> str:
    return " / ".join(_spread(rates, sign="+") for rates in zip(*gains, strict=True))


def _ends(values: Sequence[int]) -> tuple[int, int]:
    return min(values), max(values)


def _cell(found: Sequence[Result]) -> str:
    if not found:
        return ""
    return " / ".join(_spread(values) for values in ([each.rank1 for each in found], [each.map for each in found]))


def _spread(values: Sequence[float], sign: str = "") -> str:
    middle = f"{mean(values):{sign}.1f}"
    return f"{middle} ± {stdev(values):.1f}" if len(values) > 1 else middle
