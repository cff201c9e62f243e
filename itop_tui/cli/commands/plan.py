"""`itop plan`: what a run would be, before training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from db.errors import StoreError
from engine.config.field_info import explores_less
from engine.config.run_config import RunConfig
from itop_tui.cli.errors import CommandError
from itop_tui.cli.flags import Flags, resolve, takes_settings
from itop_tui.cli.parameters import Json, PresetName
from itop_tui.cli.store import opened
from itop_tui.cli.terminal import Cell, Column, console, data, heading, note, print_facts, print_table
from itop_tui.figures.dense_part import has_dense_part, left_dense
from itop_tui.figures.format import UNKNOWN, count, duration, percent, plural, r_s, share, short_count, size
from itop_tui.service.estimates import Estimate, estimate, expected_r_s
from itop_tui.service.json_shape import print_json

_LAYER_COLUMNS = (
    Column("LAYER", lambda layer: data(layer["name"]), shrink=True),
    Column("SHAPE", lambda layer: "×".join(str(int(side)) for side in layer["shape"])),
    Column("WEIGHTS", lambda layer: count(math.prod(map(int, layer["shape"]))), right=True, rank=2),
    Column("ACTIVE", lambda layer: count(layer["nonzeros"]), right=True),
    Column("DENSITY", lambda layer: percent(layer["density"]), right=True),
)


@takes_settings
def plan(*, flags: Flags, preset: PresetName = None, json: Json = False) -> int:
    """Show what a run would be before training: layers, FLOPs, steps, mask updates and the expected R_s.

    Takes the flags of itop train and queues nothing.
    """
    config = resolve(flags, preset=preset)
    flags.repetitions()
    note(*flags.remarks)

    from engine.helpers.plan_client import PlanError, request_plan

    out = console()
    try:
        if json or not out.is_terminal:
            planned = request_plan(config)
        else:
            with out.status("building the network …"):
                planned = request_plan(config)
    except PlanError as error:
        raise CommandError(*str(error).splitlines()) from None
    taken = _estimate(config, planned)
    if json:
        print_json(
            {
                **planned,
                # A number that growth by gradients or momenta stays below is no expectation, and says so.
                "expected_itop_rate": planned.get("expected_itop_rate") if config.sparse else None,
                "expected_itop_rate_is": _kind_of_r_s(config),
                "past_itop_rate": taken.past_r_s,
                "past_runs": taken.past_runs,
                "estimated_seconds": taken.seconds,
                "estimated_bytes": taken.bytes,
            }
        )
        return 0
    out.print(data(f"{config.method}: {config.model} on {config.data}", "bold"), soft_wrap=True)
    print_layers(planned, out)
    heading("In all", out=out)
    print_facts([*totals(planned, config), *explores(planned, config, taken), *takes(taken)], out=out)
    return 0


def _estimate(config: RunConfig, planned: Mapping[str, Any]) -> Estimate:
    """Estimate from past runs; the plan is shown also if their database cannot be read."""
    try:
        with opened(tend=False) as database:
            return estimate(database, [config], planned)
    except (StoreError, OSError) as error:
        why = f"unknown: {error}"
        return Estimate(None, why, None, why)


def takes(taken: Estimate) -> list[tuple[str, Cell]]:
    """Give what a run will take as names and values, with what that is judged by."""
    time = f"{duration(taken.seconds)}, {taken.seconds_from}" if taken.seconds is not None else taken.seconds_from
    disk = f"{size(taken.bytes)}, {taken.bytes_from}" if taken.bytes is not None else taken.bytes_from
    return [("time, about", time), ("disk, about", disk)]


def print_layers(planned: Mapping[str, Any], out: Console) -> None:
    """Print a row for each layer whose weights can be masked, and one for the whole network."""
    maskable, nonzeros = planned["maskable"], planned["nonzeros"]
    total = ["all layers", "", count(maskable), count(nonzeros), percent(nonzeros / max(1, maskable))]
    totals = [total]
    coverage = planned["coverage"]
    if has_dense_part(coverage):
        dense, whole = coverage["dense_weights"], coverage["matrix_weights"]
        active = round(coverage["density"] * whole)
        totals.append(["left dense", "", count(dense), count(dense), percent(1.0)])
        totals.append(["all matrix weights", "", count(whole), count(active), percent(coverage["density"])])
    out.print()
    print_table(
        _LAYER_COLUMNS, [*planned["layers"], *([Text(cell, style="bold") for cell in row] for row in totals)], out=out
    )


def totals(planned: Mapping[str, Any], config: RunConfig) -> list[tuple[str, Cell]]:
    """Give a plan's totals as names and values."""
    return [
        ("parameters", f"{count(planned['parameters'])}, {count(planned['maskable'])} of them maskable"),
        ("left dense", left_dense(planned["coverage"])),
        ("forward FLOPs", _forward(planned)),
        ("training FLOPs", _against(planned["training_flops"], planned["dense_training_flops"], "for the whole run")),
        ("steps", _steps(planned.get("steps"), config)),
        ("mask updates", _updates(planned.get("mask_updates"), config)),
    ]


def explores(planned: Mapping[str, Any], config: RunConfig, taken: Estimate) -> list[tuple[str, Cell]]:
    """Give the R_s to expect: worked out, that of past runs, or nothing where neither is known."""
    rate = expected_r_s(planned, config)
    past = (
        ""
        if taken.past_r_s is None
        else f"{r_s(taken.past_r_s)} in {plural(taken.past_runs, 'past run')} of this recipe"
    )
    expected = "" if rate is None else f"about {r_s(rate)} of all maskable weights ever active"
    return [("expected R_s", expected), ("R_s so far", past)]


def _forward(planned: Mapping[str, Any]) -> str:
    text = _against(planned["forward_flops"], planned["dense_forward_flops"], "a sample")
    without = planned.get("activation_flops")
    return f"{text}; {short_count(without)} of them without a weight, which no mask reduces" if without else text


def _against(sparse: float | None, dense: float | None, per: str) -> str:
    if sparse is None or dense is None:
        return UNKNOWN
    part = f", {share(sparse / dense)} of dense" if dense and sparse != dense else ""
    return f"{short_count(sparse)} {per}{part}"


def _steps(steps: int | None, config: RunConfig) -> str:
    if steps is None:
        return f"{UNKNOWN} (the size of the data set is not known before it is loaded)"
    return f"{count(steps)} in {config.total_epochs:,} epochs of batch {config.batch_size}"


def _updates(updates: int | None, config: RunConfig) -> str:
    if not updates:
        return "none" if updates == 0 else UNKNOWN
    return f"{count(updates)}, one every {config.update_frequency:,} steps"


def _kind_of_r_s(config: RunConfig) -> str | None:
    if not config.sparse:
        return None
    return "an upper limit" if explores_less(config) else "an estimate"
