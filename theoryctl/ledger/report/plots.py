"""Plots as SVG by pygal, without a script, in the colours of the page around them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from xml.etree import ElementTree

from theoryctl.ledger.report.figures import PERCENTILES, Latency, Series

#: Masataka Okabe's and Kei Ito's colours, which people with any kind of colour vision tell apart; grey for the rest.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a8a8a")
#: As many series have a colour of their own.
_MOST = len(_COLOURS) - 1
_OTHERS = "others"
#: Units of the drawing. It is as wide as a phone's screen, so that its text can be read there.
_WIDTH, _HEIGHT = 420, 260
#: Labels on an axis of days.
_LABELS = 6

_SVG = "{http://www.w3.org/2000/svg}"


def by_day(series: Series) -> str:
    """Draw stacked bars, one a day."""
    shown = _largest(series)
    days = sorted({day for points in shown.values() for day in points})
    chart = _chart("StackedBar", show_minor_x_labels=False)
    chart.x_labels = [day[5:] for day in days]
    chart.x_labels_major = chart.x_labels[:: max(1, -(-len(days) // _LABELS))]
    for label, points in shown.items():
        chart.add(label, [points.get(day) for day in days])
    return _drawn(chart) + _legend(shown)


def by_name(rows: Sequence[tuple[str, float]]) -> str:
    """Draw a bar for each name."""
    chart = _chart("HorizontalBar", rows=len(rows))
    chart.x_labels = [name for name, _ in reversed(rows)]
    chart.add("", [value for _, value in reversed(rows)])
    return _drawn(chart)


def latencies(rows: Sequence[tuple[str, Latency]]) -> str:
    """Draw the percentiles of each model, in seconds."""
    names = [f"p{percent}" for percent in PERCENTILES]
    chart = _chart("HorizontalBar", rows=2 * len(rows))
    chart.x_labels = [model for model, _ in reversed(rows)]
    for at, name in enumerate(names):
        chart.add(name, [_seconds(latency.whole[at]) for _, latency in reversed(rows)])
    return _drawn(chart) + _legend(names)


def _legend(labels: Iterable[str]) -> str:
    """The names of the colours. pygal's own legend is cut off where it is long."""
    named = zip(labels, _COLOURS, strict=False)
    items = (f'<li><i style="background:{colour}"></i>{escape(label)}</li>' for label, colour in named)
    return f'<ul class="legend">{"".join(items)}</ul>'


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _largest(series: Series) -> Series:
    """The largest series, and the sum of the others as one."""
    order = sorted(series, key=lambda label: -sum(series[label].values()))
    if len(order) <= _MOST + 1:
        return {label: series[label] for label in order}
    rest: dict[str, float] = {}
    for label in order[_MOST:]:
        for place, value in series[label].items():
            rest[place] = rest.get(place, 0) + value
    return {**{label: series[label] for label in order[:_MOST]}, _OTHERS: rest}


def _pygal() -> Any:
    """Import pygal, without the hook by which it changes how this process imports everything else."""
    import pygal

    sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__module__ != "pygal"]
    return pygal


def _chart(kind: str, *, rows: int = 0, **options: Any) -> Any:
    from pygal.style import Style

    style = Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--text)",
        foreground_strong="var(--text)",
        foreground_subtle="var(--faint)",
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        font_family="inherit",
        label_font_size=12,
        major_label_font_size=12,
        no_data_font_size=18,
        opacity="1",
        opacity_hover=".8",
        transition="0s",
        colors=_COLOURS,
    )
    return getattr(_pygal(), kind)(
        style=style,
        js=(),
        width=_WIDTH,
        height=max(_HEIGHT, 60 + 24 * rows),
        show_legend=False,
        max_scale=6,
        truncate_label=24,
        formatter=lambda value: f"{value:,.6g}",
        margin=6,
        **options,
    )


def _drawn(chart: Any) -> str:
    """The chart as SVG: without the script that pygal adds, and with a value's text as its tooltip."""
    tree = chart.render_tree()
    for parent in tree.iter():
        for child in list(parent):
            if child.tag in ("script", f"{_SVG}script"):
                parent.remove(child)
            elif child.get("class") == "value" and child.tag in ("desc", f"{_SVG}desc"):
                child.tag = child.tag.replace("desc", "title")
    return ElementTree.tostring(tree, encoding="unicode")
