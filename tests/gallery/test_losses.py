"""Gates on templates that leave because the sources no longer have their images."""

from datetime import UTC, datetime

import pytest

from facebatch.gallery.commits import PartFile
from facebatch.gallery.figures import GateFigure
from facebatch.gallery.gates import GateSpec
from facebatch.gallery.gone import rows_by_source
from facebatch.gallery.losses import SOURCE, WHOLE, losses
from facebatch.gallery.snapshots import ShardEntry, Snapshot

SPEC = GateSpec()
IN = "s3://in"


def part(rows: int) -> PartFile:
    return PartFile(key="k", sha256="0" * 64, size=1, rows=rows)


def shard(source: str, rows: int) -> ShardEntry:
    return ShardEntry(
        shard_key=f"{source} {rows}",
        shard_uri=f"{source}/{rows}.tar",
        source=source,
        images=rows,
        outcomes={"ok": rows},
        templates=part(rows),
        ledger=part(rows),
    )


def gallery(rows: dict[str, int], erased: int = 0) -> Snapshot:
    """Of sources with one shard of so many templates each."""
    facts = {"seq": 1, "parent": None, "run_id": "r", "created_at": datetime(2026, 1, 1, tzinfo=UTC), "model": "m"}
    shards = tuple(shard(source, count) for source, count in rows.items())
    return Snapshot(**facts, model_name="m", dim=8, shards=shards, tombstones=(part(erased),) if erased else ())


def judged(lost: dict[str, int], parent: Snapshot | None, spec: GateSpec = SPEC) -> tuple[GateFigure, GateFigure]:
    whole, source = losses(lost, rows_by_source(parent) if parent else {}, parent.templates if parent else 0, spec)
    assert (whole.name, source.name) == (WHOLE, SOURCE)
    return whole, source


@pytest.mark.parametrize(
    ("lost", "live", "passed"),
    [
        *((1, 3, True), (3, 3, True), (5, 8, True), (6, 8, False), (32, 100, True), (33, 100, False)),
        *((0, 1000, True), (239, 1000, True), (240, 1000, False), (970, 1000, False)),
    ],
)
def test_a_gallery_that_loses_more_than_chance_makes_of_the_limit_stops_a_night(
    lost: int, live: int, passed: bool
) -> None:
    figure, _ = judged({IN: lost} if lost else {}, gallery({IN: live}))
    assert (figure.passed, figure.count, figure.n) == (passed, lost, live)
    assert figure.value == lost / live
    assert figure.highest is not None
    assert figure.highest >= SPEC.gone_most


@pytest.mark.parametrize(
    ("lost", "rows", "passed"),
    [(5, 5, True), (8, 8, False), (64, 100, True), (65, 100, False), (547, 1000, True), (548, 1000, False)],
)
def test_a_source_that_is_a_small_part_of_a_gallery_may_not_lose_most_of_what_it_had(
    lost: int, rows: int, passed: bool
) -> None:
    whole, source = judged({IN: lost}, gallery({IN: rows, "s3://other": 100_000}))
    assert whole.passed
    assert (source.passed, source.count, source.n) == (passed, lost, rows)
    assert source.words.startswith(f"{IN} lost {lost} of its {rows} templates with their images ({lost / rows:.2%});")


def test_the_source_that_is_told_is_the_one_furthest_above_its_limit() -> None:
    held = {"s3://tiny": 4, "s3://small": 200, "s3://large": 100_000}
    _, source = judged({"s3://tiny": 4, "s3://small": 190, "s3://large": 20_000}, gallery(held))
    assert source.words == (
        "s3://small lost 190 of its 200 templates with their images (95.00%); the limit is 50.00%, by chance 60.55%; "
        "look whether the listing is whole (prefix, mount, permissions), and if it is, set gates.gone_most_of_source "
        "to 0.95 for this night"
    )
    assert judged({"s3://small": 190}, gallery(held), GateSpec(gone_most_of_source=0.95))[1].passed


def test_what_left_is_told_by_source_with_what_to_do() -> None:
    lost = {"s3://few": 1, "s3://most": 900, "s3://b": 2, "s3://c": 3, "s3://d": 2}
    parent = gallery({source: 900 if source == "s3://most" else 25 for source in lost})
    figure, _ = judged(lost, parent)
    assert figure.words == (
        "908 of 1000 live templates are of images that left their source (90.80%); the limit is 20.00%, by chance "
        "23.90%; s3://most lost 900, s3://c lost 3, s3://b lost 2 and 2 more sources; look whether the listing is "
        "whole (prefix, mount, permissions), and if it is, set gates.gone_most to 0.91 for this night"
    )
    assert judged(lost, parent, GateSpec(gone_most=0.91))[0].passed


def test_the_limit_is_of_the_live_templates() -> None:
    whole, source = judged({IN: 40}, gallery({IN: 1000}, erased=900))
    assert (whole.passed, whole.n) == (False, 100)
    assert (source.passed, source.n) == (True, 1000)


def test_a_night_without_losses_says_so() -> None:
    _, source = judged({}, gallery({IN: 1000, "s3://other": 5}))
    assert (source.passed, source.count) == (True, 0)
    assert source.words.startswith("no source lost a template with its image")


def test_a_gallery_that_had_nothing_can_lose_nothing() -> None:
    for parent in (None, gallery({IN: 0})):
        for figure in judged({}, parent):
            assert (figure.passed, figure.n, figure.words) == (None, 0, "no template was live before")


def test_all_may_leave_where_the_settings_say_so() -> None:
    allowing = GateSpec(gone_most=1.0, gone_most_of_source=1.0)
    assert all(figure.passed for figure in judged({IN: 10_000}, gallery({IN: 10_000}), allowing))
