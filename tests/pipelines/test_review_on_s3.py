"""`facebatch review` with results and gallery on S3: given out, handed in twice and by many at once, and exported."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from examined import CaseWorld
from facebatch.cli import main
from facebatch.governance import audit_chain
from facebatch.storage import layout
from facebatch.storage.open import open_store
from facebatch.storage.settings import S3Spec
from filled_pages import fill, pages
from reviewing import FIRST, MATES, Review, assign, at, events, hand_in
from servers.s3 import Server

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Remote(CaseWorld):
    """A case world whose gallery, results and decoys are objects; what examiners get and give is on this machine."""

    server: Server
    prefix: str

    @property
    def place(self) -> str:
        return f"s3://{self.server.bucket}/{self.prefix}"

    @property
    def s3(self) -> S3Spec:
        return self.server.spec(deadline_s=20)

    @property
    def at(self) -> list[str]:
        return [*super().at, "--s3.endpoint-url", self.server.endpoint, "--s3.addressing", "path"]


@pytest.fixture(params=["moto", pytest.param("ceph", marks=pytest.mark.s3)])
def remote(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, case_world: CaseWorld, tmp_path: Path
) -> Remote:
    server: Server = request.getfixturevalue(request.param)
    server.use(monkeypatch)
    found = Remote(tmp_path, case_world.model, case_world.searches, server, uuid4().hex)
    for name in ("secret.hex", "examiners.yaml"):
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_bytes((case_world.root / name).read_bytes())
    store = open_store(found.place, found.s3)
    for path in sorted(case_world.root.rglob("*")):
        key = str(path.relative_to(case_world.root))
        if path.is_file() and key.startswith(("gallery/", "results/", "strangers/")):
            store.put(key, path.read_bytes())
    for number in range(len(found.searches)):
        found.change(number, gallery=found.gallery.uri)
    return found


def sheets(remote: Remote) -> list[str]:
    """Keys of those that were handed in."""
    return [info.key for info in remote.results.list(layout.REVIEWS) if layout.assignment_of(info.key)]


def test_a_review_on_s3_from_the_first_page_to_the_lead(review: Review, remote: Remote) -> None:
    one, two = assign(review, remote)
    assert review("assign", *remote.flags())["assigned"] == 0
    files = [fill(remote, page, {FIRST: MATES[FIRST]}) for page in (one, two)]
    first = hand_in(review, remote, *files)
    again = hand_in(review, remote, *files)
    assert [(done["code"], done["imported"], done["repeated"], done["left"]) for done in (first, again)] == [
        (0, 2, 0, []),
        (0, 0, 2, []),
    ]
    assert review("status", *at(remote))["states"] == {"concluded": 1}
    out = f"{remote.place}/out"
    done = review("export", *at(remote), "--out", out, "--csv")
    assert (done["code"], done["outcomes"], done["open"]) == (0, {"no_candidate": 5, "potential_candidate": 1}, 0)
    stored = open_store(out, remote.s3)
    told = {row["probe_id"]: row for row in json.loads(stored.get("leads.json"))["results"] if row["subject_id"]}
    assert {probe: row["subject_id"] for probe, row in told.items()} == {FIRST: MATES[FIRST]}
    assert MATES[FIRST].encode() in stored.get("leads.csv")
    assert sum(1 for _ in remote.folder().list(layout.LEADS)) == 3
    assert audit_chain.verify(remote.gallery) == []


def test_imports_at_once_on_s3_are_one(review: Review, remote: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    files = [fill(remote, page, {}) for page in assign(review, remote)]
    arguments = ["review", "import", *map(str, files), *at(remote), "--json"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: main(arguments), range(4)))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["left"] for each in told] == [[]] * 4
    assert {each["imported"] + each["repeated"] for each in told} == {2}
    assert len(sheets(remote)) == 2
    recorded = events(remote, "review")
    assert len({event.event_id for event in recorded}) == 2
    assert hand_in(review, remote, *files)["repeated"] == 2
    assert events(remote, "review") == recorded
    assert audit_chain.verify(remote.gallery) == []


def test_two_who_disagree_at_once_are_both_kept_and_a_third_is_asked(
    review: Review, remote: Remote, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = assign(review, remote)
    files = fill(remote, one, {FIRST: MATES[FIRST]}), fill(remote, two, {})
    arguments = [["review", "import", str(file), *at(remote), "--json"] for file in files]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(main, arguments))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["imported"], each["left"]) for each in told] == [(1, [])] * 2
    assert len(sheets(remote)) == 2
    assert review("assign", *remote.flags())["thirds"] == 1
    [third] = set(pages(remote)) - {one, two}
    done = hand_in(review, remote, fill(remote, third, {}))
    assert (done["code"], done["imported"]) == (0, 1)
    assert review("export", *at(remote), "--out", str(remote.root / "out"))["outcomes"] == {"no_candidate": 6}
