"""Draws the figures as an SVG: for each peer three bars, its events a second, CPU seconds and peak memory."""

from html import escape

ROW, LEFT, TOP = 34, 190, 92
PANEL, GAP, LABEL = 210, 24, 96
PANELS = (
    ("events a second", "more is better", lambda peer: peer["events_per_second"], lambda value: f"{value / 1e6:.2f} M"),
    ("CPU seconds", "less is better", lambda peer: peer["cpu_seconds"]["median"], lambda value: f"{value:.1f}"),
    ("peak memory", "less is better", lambda peer: peer["rss_bytes_max"], lambda value: f"{value / 1e6:,.0f} MB"),
)
OWN, OTHER, WRONG = "#b5481f", "#5b7083", "#b9b9b9"


def draw(result):
    """The SVG's text. Bars are linear from zero; a peer whose results differ is grey."""
    rows = sorted(result["peers"], key=lambda peer: -peer["events_per_second"])
    width = LEFT + len(PANELS) * (PANEL + LABEL) + (len(PANELS) - 1) * GAP
    height = TOP + ROW * len(rows) + 44
    host = result["machine"]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="13" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="28" font-size="17" font-weight="bold">One stream job, {result["lines"]:,} lines: '
        "whole processes, same file, same rounds</text>",
        f'<text x="16" y="48" fill="#666">{escape(host["cpu"])}, {host["cores"]} cores, {escape(host["date"])}, commit '
        f'{escape(host["commit"])}, median of {result["runs"]}</text>',
    ]
    for place, (title, sense, value_of, text_of) in enumerate(PANELS):
        x = LEFT + place * (PANEL + LABEL + GAP)
        most = max(value_of(peer) for peer in rows)
        parts.append(f'<text x="{x}" y="{TOP - 14}" font-weight="bold">{title}</text>')
        parts.append(f'<text x="{x + PANEL + LABEL - 8}" y="{TOP - 14}" fill="#666" text-anchor="end">{sense}</text>')
        for number, peer in enumerate(rows):
            y = TOP + number * ROW
            value = value_of(peer)
            length = max(1.0, value / most * PANEL)
            colour = OWN if peer["name"] == "tillrace" else OTHER
            if peer["outcome"] in ("differs", "failed"):
                colour = WRONG
            parts.append(f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{ROW - 12}" fill="{colour}"/>')
            parts.append(f'<text x="{x + length + 6:.1f}" y="{y + 16}">{text_of(value)}</text>')
    for number, peer in enumerate(rows):
        y = TOP + number * ROW + 11
        note = peer["version"] if peer["name"] != "tillrace" else ""
        if peer["outcome"] in ("differs", "failed"):
            note = peer["outcome"]
        ratio = peer["times_tillrace"]["median"]
        detail = "1 ×" if peer["name"] == "tillrace" else f"{ratio:.1f} × Tillrace's time"
        parts.append(f'<text x="16" y="{y}" font-weight="bold">{escape(peer["title"])} '
                     f'<tspan font-weight="normal" fill="#666" font-size="11">{escape(note)}</tspan></text>')  # fmt: skip
        parts.append(f'<text x="16" y="{y + 14}" font-size="11" fill="#666">{detail}</text>')
    parts.append(f'<text x="16" y="{height - 14}" font-size="11" fill="#666">Start-up is inside all figures. Made by '
                 f'{escape(result["command"].strip())}</text>')  # fmt: skip
    parts.append("</svg>\n")
    return "\n".join(parts)
