"""match, one probe at a time: refused ones are rows, bystanders are not searched, leave holds for the facts told."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from decided import Meanwhile, pack_file
from facebatch.errors import ConfigError, ForbiddenError, StaleError
from facebatch.faces.directions import NOTHING_SETTLED
from facebatch.faces.settings import FaceSpec
from facebatch.governance.facts import with_changes
from facebatch.pipelines import authorising, match, search_plan
from facebatch.pipelines.embedding import EmbedTask
from facebatch.pipelines.search import find_search, read_outcomes
from facebatch.storage.local import LocalStore
from facebatch.storage.settings import S3Spec
from searched import lists
from searched import search as run
from worlds import REQUEST, World

pytestmark = pytest.mark.integration
SKETCHES = {
    "id": "sketch",
    "kind": "forbid",
    "cite": "a law, section 6",
    "message": "no sketches",
    "when": [{"fact": "probe.is_sketch", "op": "equals", "value": True}],
}


def facts(folder: Path, *rows: str) -> str:
    path = folder / "facts.csv"
    path.write_text("\n".join(["probe_id,is_sketch,media_kind,face_x,face_y", *rows]) + "\n")
    return str(path)


def probes(world: World) -> list[str]:
    root = world.root / "probe-photos"
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))


def outcomes(root: str) -> dict[str, dict[str, object]]:
    store = LocalStore(Path(root))
    manifest = find_search(store)
    assert manifest is not None
    return {row["image_id"]: row for row in read_outcomes(store, manifest).to_pylist()}


def test_a_refused_probe_is_a_row_with_its_citation_and_the_others_are_searched(
    searchable: World, tmp_path: Path
) -> None:
    names = probes(searchable)
    stated = [f"{name},{'true' if name == names[2] else 'false'},,," for name in names]
    plain = run(searchable)
    report = run(searchable, policy=pack_file(tmp_path, SKETCHES), probe_facts=facts(tmp_path, *stated))
    assert report.outcomes == {"ok": 7, "refused": 1}
    row = outcomes(report.results)[names[2]]
    assert (row["outcome"], row["reason"]) == ("refused", "tested.sketch [a law, section 6]: no sketches")
    searched = [found for found in lists(plain) if found["probe_id"] != names[2]]
    assert lists(report) == searched
    assert report.unused_facts is None
    assert run(searchable, policy=pack_file(tmp_path, SKETCHES), probe_facts=facts(tmp_path, *stated)) == report


def test_a_probe_of_which_nothing_is_stated_is_refused_for_the_unknown(searchable: World, tmp_path: Path) -> None:
    names = probes(searchable)
    report = run(
        searchable, policy=pack_file(tmp_path, SKETCHES), probe_facts=facts(tmp_path, f"{names[0]},no,,,", "x,,,,")
    )
    assert report.outcomes == {"ok": 1, "refused": 7}
    assert "(unknown: probe.is_sketch)" in str(outcomes(report.results)[names[1]]["reason"])
    assert "1 of 2 rows name no probe of this search (first: 'x')" in str(report.unused_facts)


def test_a_request_of_which_all_probes_are_refused_is_refused_before_they_are_read(
    searchable: World, tmp_path: Path
) -> None:
    stated = facts(tmp_path, *(f"{name},true,,," for name in probes(searchable)))
    shutil.rmtree(searchable.root / "probe-photos")
    with pytest.raises(ForbiddenError, match=r"no sketches \[tested.sketch: a law, section 6\]"):
        run(searchable, policy=pack_file(tmp_path, SKETCHES), probe_facts=stated)


def test_a_search_of_which_every_probe_is_refused_ends_with_rows_alone(searchable: World, tmp_path: Path) -> None:
    request = with_changes(REQUEST, {"probe.is_sketch": False})
    stated = facts(tmp_path, *(f"{name},true,,," for name in probes(searchable)))
    report = run(searchable, policy=pack_file(tmp_path, SKETCHES), probe_facts=stated, request=request)
    assert (report.outcomes, report.probes, lists(report)) == ({"refused": 8}, 0, [])


def test_a_worker_that_forgets_the_refusals_has_no_leave(searchable: World, tmp_path: Path) -> None:
    stated = [f"{name},{'true' if number == 2 else 'false'},,," for number, name in enumerate(probes(searchable))]
    config = searchable.match(policy=pack_file(tmp_path, SKETCHES), probe_facts=facts(tmp_path, *stated))
    planned = search_plan.plan(config, authorising.decide(config))
    shard = next(each for each in planned.probes.shards if planned.rows.directions.key_part(each))
    root = f"{planned.root}/probes"
    forgetful = planned.rows.model_copy(update={"directions": NOTHING_SETTLED})
    tasks = [
        EmbedTask(root, rows, S3Spec(), planned.card.fingerprint, 0, planned.grant)
        for rows in (planned.rows, forgetful)
    ]
    with pytest.raises(ForbiddenError, match="other probe shards than this one"):
        tasks[1].setup()(shard)
    assert tasks[0].setup()(shard).outcomes["refused"] == 1


@pytest.mark.parametrize("stage", ["embed", "match"])
def test_what_is_stated_or_refused_may_not_change_in_between(searchable: World, tmp_path: Path, stage: str) -> None:
    names = probes(searchable)
    rows = [f"{name},false,{'still' if number else 'video_scan'},," for number, name in enumerate(names)]
    video = {**SKETCHES, "id": "video", "when": [{"fact": "probe.media_kind", "op": "equals", "value": "video_scan"}]}
    config = searchable.match(policy=pack_file(tmp_path, SKETCHES), probe_facts=facts(tmp_path, *rows))
    with pytest.raises(StaleError, match="now refuse probes that they allowed when the search was planned: 1;"):
        match.run(config, Meanwhile(stage, lambda: pack_file(tmp_path, SKETCHES, video)))
    pack_file(tmp_path, SKETCHES)
    with pytest.raises(StaleError, match="probe_facts changed since"):
        match.run(config, Meanwhile(stage, lambda: facts(tmp_path, *rows[1:])))


def test_only_the_designated_face_of_a_picture_of_two_is_searched(searchable: World, tmp_path: Path) -> None:
    names = probes(searchable)
    folder = searchable.root / "probe-photos"
    left, right = Image.open(folder / names[0]), Image.open(folder / names[1])
    pair = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "grey")
    pair.paste(left, (0, 0))
    pair.paste(right, (left.width, 0))
    data = io.BytesIO()
    pair.save(data, "JPEG", quality=95)
    (folder / names[0]).write_bytes(data.getvalue())
    middle = f"{left.width + right.width / 2},{right.height / 2}"
    stated = facts(tmp_path, f"{names[0]},,,{middle}")
    with pytest.raises(ConfigError, match=r"faces.keep: only leaves face_x and face_y"):
        run(searchable, probe_facts=stated)
    report = run(searchable, probe_facts=stated, faces=FaceSpec(keep="designated"))
    first = next(row for row in lists(report) if row["probe_id"] == names[0])
    assert first["subject_id"] == names[1].split("/")[0]
    assert (report.probes, report.outcomes) == (8, {"ok": 8})
    rejected = outcomes(report.results)[names[0]]["rejected"]
    assert [face["reason"] for face in rejected] == ["not_designated"]


def test_a_crowd_is_a_refused_row_unless_somebody_approves(searchable: World, tmp_path: Path) -> None:
    name = probes(searchable)[0]
    path = searchable.root / "probe-photos" / name
    photo = Image.open(path)
    row = Image.new("RGB", (4 * photo.width, photo.height))
    for place in range(4):
        row.paste(photo, (place * photo.width, 0))
    row.save(path)
    report = run(searchable)
    assert report.outcomes == {"ok": 7, "refused": 1}
    assert "4 faces found where faces.crowd allows 3" in str(outcomes(report.results)[name]["reason"])
    with pytest.raises(ForbiddenError, match=r"request.approver"):
        run(searchable, faces=FaceSpec(crowd=4))
    approved = with_changes(REQUEST, {"approver": "a supervisor"})
    assert run(searchable, faces=FaceSpec(crowd=4), request=approved).outcomes == {"ok": 8}


def test_everybody_in_the_pictures_is_never_searched(searchable: World) -> None:
    with pytest.raises(ConfigError, match=r"faces.keep: all would search everybody"):
        run(searchable, faces=FaceSpec(keep="all"))
