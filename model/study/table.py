"""A study's results as a table: a row a variant, a column a test, mean and spread over seeds."""

from collections.abc import Sequence
from statistics import mean, stdev

from model.study.run import Result


def as_table(results: Sequence[Result]) -> str:
    """Markdown; Rank-1 / mAP in per cent. With several seeds each is `mean ± standard deviation`."""
    tests = list(dict.fromkeys((each.data, each.protocol) for each in results))
    variants = list(dict.fromkeys(each.variant for each in results))
    lines = [
        "| variant | " + " | ".join(f"{data} {protocol}" for data, protocol in tests) + " |",
        "|---" * (1 + len(tests)) + "|",
    ]
    for variant in variants:
        cells = [
            _cell([each for each in results if (each.variant, each.data, each.protocol) == (variant, *test)])
            for test in tests
        ]
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(found: Sequence[Result]) -> str:
    if not found:
        return ""
    return " / ".join(_spread(values) for values in ([each.rank1 for each in found], [each.map for each in found]))


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ± {stdev(values):.1f}" if len(values) > 1 else f"{values[0]:.1f}"
