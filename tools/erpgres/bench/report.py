"""The figures of `erpgres bench api` as text and as a plot."""

from __future__ import annotations

from pathlib import Path

from erpgres.bench.api import AIMS, CASES, P99_AIM, SYSTEMS, Report

_COLOURS = {"erpgres": "#1f6f5c", "bare": "#8aa29e", "python": "#c97b3d", "query": "#3f4b5b"}
_NAMES = {
    "erpgres": "Erpgres: gateway, sign-in, RLS, limits",
    "bare": "bare PostgREST",
    "python": "Gunicorn, FastAPI, SQLAlchemy",
    "query": "the query alone (pgbench)",
}


def text(report: Report) -> str:
    """Return tables of the figures and of the ratios."""
    lines = [f"{'case':<14} {'system':<8} {'requests/s':>11} {'p50':>9} {'p99':>9} {'server CPU':>12}"]
    for m in report.results:
        lines.append(
            f"{m.case:<14} {m.system:<8} {m.per_second:>11,.0f} {m.p50_ms:>6.2f} ms {m.p99_ms:>6.2f} ms"
            + (f" {m.cpu_ms:>9.3f} ms" if m.cpu_ms else "")
        )
    lines += ["", f"{'Erpgres to':<23} {'requests/s':>11} {'p99':>9} {'server CPU':>12}"]
    for r in report.ratios:
        aim = f"  short of {AIMS[r.to]:g}, p99 {P99_AIM:g}" if r.is_short and r.to == "bare" else ""
        aim = f"  short of {AIMS[r.to]:g}" if r.is_short and r.to == "python" else aim
        lines.append(f"{r.case:<14} {r.to:<8} {r.throughput:>11.2f} {r.p99:>9.2f} {r.cpu or '':>12}{aim}")
    lines.append(f"\nthe clients used {report.client_cpu_share:.2f} of a core")
    return "\n".join(lines)


def plot(report: Report, path: Path) -> None:
    """Draw requests a second and latencies of every case into a file (SVG, PNG, PDF by its name)."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    found = {(m.case, m.system): m for m in report.results}
    matplotlib.rcParams["svg.hashsalt"] = "erpgres"
    figure, axes = pyplot.subplots(2, len(CASES), figsize=(13, 7), constrained_layout=True)
    for column, case in enumerate(CASES):
        top, bottom = axes[0][column], axes[1][column]
        for place, system in enumerate(SYSTEMS):
            m = found[case, system]
            top.bar(place, m.per_second, color=_COLOURS[system])
            top.annotate(f"{m.per_second:,.0f}", (place, m.per_second), ha="center", va="bottom", fontsize=8)
            bottom.bar(place, m.p99_ms, color=_COLOURS[system], alpha=0.45)
            bottom.bar(place, m.p50_ms, color=_COLOURS[system])
            bottom.annotate(f"{m.p99_ms:.1f}", (place, m.p99_ms), ha="center", va="bottom", fontsize=8)
        top.set_title(case)
        top.set_ylim(0, 1.35 * max(found[case, system].per_second for system in SYSTEMS[:3]))
        for axis in (top, bottom):
            axis.set_xticks([])
            axis.spines[["top", "right"]].set_visible(False)
        above = found[case, "query"].per_second
        if above > top.get_ylim()[1]:  # the query alone is off the scale: say how much
            top.annotate(f"{above:,.0f} ↑", (3, top.get_ylim()[1] * 0.94), ha="center", fontsize=8, color="white")
    axes[0][0].set_ylabel("requests/s")
    axes[1][0].set_ylabel("ms: p50 (dark), p99 (light)")
    figure.legend(
        handles=[Patch(color=_COLOURS[system], label=_NAMES[system]) for system in SYSTEMS],
        loc="outside lower center", ncols=4, frameon=False,
    )  # fmt: skip
    options = report.options
    figure.suptitle(
        f"{options.clients} clients, {options.rounds} rounds, {report.machine['cores']} cores for all of it"
    )
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
