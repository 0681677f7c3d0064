"""`facebatch review` up to what examiners agree on, on real photos; pages are filled in without a browser."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from casework import Desk, case_of
from examined import AGENCY, EXAMINERS, CaseWorld
from facebatch.cli import main
from facebatch.gallery.commits import put_part
from facebatch.governance.pseudonyms import known_pseudonym
from facebatch.pipelines.search import read_candidates
from facebatch.storage import layout
from facebatch.storage.parquet import write_table
from filled_pages import DECOY, NOBODY, NOTE, behind, fill, pages
from gallery.small import objects
from reviewing import FIRST, MATES, Review, assign, at, document, events, export, hand_in
from worlds import World

pytestmark = pytest.mark.integration


def test_two_examiners_get_pages_and_the_requester_none(review: Review, fresh: CaseWorld) -> None:
    first = assign(review, fresh)
    asked = known_pseudonym(fresh.gallery, "actor", AGENCY)
    others = {known_pseudonym(fresh.gallery, "actor", name) for name in EXAMINERS[1:]}
    assert len({page.parent.name for page in first} & others) == len(first) == 2
    assert asked not in {page.parent.name for page in first}
    before = {page: page.read_bytes() for page in first}
    again = review("assign", *fresh.flags("--decoy-rate", "0"))
    assert (again["assigned"], again["thirds"], len(again["pages"]), again["without_candidates"]) == (0, 0, 2, 1)
    assert {page: page.read_bytes() for page in pages(fresh)} == before
    assert (fresh.root / "pages").stat().st_mode & 0o077 == 0


def test_who_asked_is_known_in_other_spelling(review: Review, fresh: CaseWorld) -> None:
    (fresh.root / "examiners.yaml").write_text("examiners: [' UNIT  1', examiner A]")
    done = review("assign", *fresh.flags())
    assert done["code"] == 2
    assert "of 2 listed only 1 may examine it" in done["error"]
    assert not pages(fresh)


def test_a_page_shows_pictures_under_letters_and_nothing_else(case: CaseWorld) -> None:
    texts = [page.read_text() for page in pages(case)]
    hidden = {
        str(row[name]) for row in case.lists() for name in ("subject_id", "template_id", "similarity", "probe_id")
    }
    hidden |= {"a secret name", "case 1", AGENCY, case.searches[0], "lon0", case.secret.read_text(), "score", "rank"}
    assert [word for text in texts for word in sorted(hidden) if word in text.split("<script>")[0]] == []
    shown = [behind(case, page)[1] for page in pages(case)]
    for label in shown[0].faces:
        orders = [tuple(each.face for each in found.faces[label].values()) for found in shown]
        assert orders[0] != orders[1]
        assert set(orders[0]) == set(orders[1])
        assert len(orders[0]) == 6
        assert sum(each.is_decoy for each in shown[0].faces[label].values()) == 2
    strangers = {path.name for path in (case.root / "strangers").iterdir()}
    decoys = {each.face.subject_id for found in shown[0].faces.values() for each in found.values() if each.is_decoy}
    assert decoys <= strangers


def test_a_plan_writes_nothing(review: Review, fresh: CaseWorld) -> None:
    before = objects(fresh.results), objects(fresh.gallery)
    done = review("assign", *fresh.flags(), "--dry-run")
    assert (done["code"], done["assigned"], done["pages"], sum(each["cases"] for each in done["waiting"])) == (
        0,
        1,
        [],
        2,
    )
    assert (objects(fresh.results), objects(fresh.gallery)) == before
    assert not (fresh.root / "pages").exists()


def test_a_third_decides_where_two_disagree(review: Review, case: CaseWorld) -> None:
    one, two = pages(case)
    files = fill(case, one, {FIRST: MATES[FIRST]}), fill(case, two, {FIRST: DECOY})
    done = hand_in(review, case, *files)
    assert (done["code"], done["disputed"], done["thirds"]) == (0, 1, 0)
    before = export(review, case)
    assert (before["open"], before["outcomes"]) == (1, {"no_candidate": 5})
    where = ("--examiners", str(case.root / "examiners.yaml"), "--pages", str(case.root / "pages"))
    done = review("import", str(files[0]), *at(case), *where)
    assert (done["imported"], done["repeated"], done["disputed"], done["thirds"]) == (0, 1, 0, 1)
    [third] = (case.root / "pages" / name for name in done["pages"])
    state = review("status", *at(case))
    assert (state["states"], state["waiting"]) == ({"disagreement": 1}, {third.parent.name: 1})
    assert hand_in(review, case, fill(case, third, {FIRST: MATES[FIRST]}))["imported"] == 1
    assert review("status", *at(case))["cases"][0]["probes"] == {"concluded": 3}
    assert export(review, case)["outcomes"] == {"no_candidate": 5, "potential_candidate": 1}
    errors = {each["examiner"]: (each["errors"], each["lists"]) for each in document(case)["examiners"]}
    assert errors == {one.parent.name: (0, 3), two.parent.name: (1, 3), third.parent.name: (0, 3)}
    assert third.parent.name not in (one.parent.name, two.parent.name, known_pseudonym(case.gallery, "actor", AGENCY))


def test_the_next_assign_finds_the_third(review: Review, case: CaseWorld) -> None:
    one, two = pages(case)
    hand_in(review, case, fill(case, one, {FIRST: MATES[FIRST]}), fill(case, two, {}))
    done = review("assign", *case.flags())
    assert (done["assigned"], done["thirds"], len(done["pages"])) == (0, 1, 1)
    assert done["pages"][0] not in (f"{page.parent.name}/{page.name}" for page in (one, two))


def test_a_changed_file_is_refused_and_the_others_taken(review: Review, case: CaseWorld) -> None:
    one, two = pages(case)
    good, bad = fill(case, one, {}), fill(case, two, {})
    bad.write_bytes(bad.read_bytes().replace(NOTE.encode(), b"=2+2 the ear"))
    foreign = case.root / "foreign.json"
    foreign.write_text("{}")
    done = hand_in(review, case, bad, good, foreign, case.root / "missing.json")
    assert (done["code"], done["imported"], len(done["left"])) == (2, 1, 3)
    assert "its seal is not that of assignment" in done["error"]
    assert "no such file" in done["error"]
    assert [event.actor for event in events(case, "review")] == [one.parent.name]


def test_many_imports_at_once_are_one(review: Review, case: CaseWorld, capsys: pytest.CaptureFixture[str]) -> None:
    files = [fill(case, page, {}) for page in pages(case)]
    arguments = ["review", "import", *map(str, files), *at(case), "--json"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: main(arguments), range(4)))
    assert sum(json.loads(line)["imported"] for line in capsys.readouterr().out.splitlines()) >= 2
    done = hand_in(review, case, *files)
    recorded = len(events(case, "review"))
    assert (done["code"], done["imported"], done["repeated"]) == (0, 0, 2)
    assert hand_in(review, case, *files)["repeated"] == 2
    assert len(events(case, "review")) == recorded
    assert len({event.event_id for event in events(case, "review")}) == 2


def test_three_examine_where_packs_ask_for_three_and_four_are_refused(review: Review, fresh: CaseWorld) -> None:
    fresh.change(obligations={"reviewers": 3})
    first = assign(review, fresh)
    assert len({page.parent.name for page in first}) == 3
    hand_in(review, fresh, *(fill(fresh, page, {}) for page in first[:2]))
    done = export(review, fresh)
    assert {words for name, words in done["withheld"].items() if FIRST in name} == {"2 of 3 examiners have looked"}
    hand_in(review, fresh, fill(fresh, first[2], {}))
    assert export(review, fresh)["outcomes"] == {"no_candidate": 6}
    fresh.change(obligations={"reviewers": 4})
    done = review("assign", *fresh.flags())
    assert (done["code"], "ask for 4 examiners" in done["error"]) == (77, True)
    assert export(review, fresh)["withheld"] != {}


def test_lists_that_changed_are_examined_anew(review: Review, case: CaseWorld) -> None:
    one, two = pages(case)
    files = [fill(case, page, {}) for page in (one, two)]
    table = read_candidates(case.folder(), case.manifest())
    data = write_table(table.slice(1), kind="candidates", model=case.manifest().model)
    part = put_part(case.folder(), layout.numbered(layout.CANDIDATES, 9), data, table.num_rows - 1)
    case.change(candidates=[part.model_dump(mode="json")])
    done = hand_in(review, case, *files)
    assert (done["code"], done["imported"], len(done["left"])) == (2, 0, 2)
    assert "are not those any more that were examined; assign the case anew" in done["error"]
    assert review("assign", *case.flags())["assigned"] == 1
    assert review("status", *at(case))["states"] == {"void": 1, "waiting": 1}


def test_what_the_job_of_cases_leaves_is_examined(review: Review, searchable: World, case: CaseWorld) -> None:
    desk = Desk(searchable)
    person = desk.people[0]
    desk.run([case_of("a", {"uri": desk.photo(person)})])
    made = CaseWorld(searchable.root, searchable.model, (desk.manifests()["a"][0].search_id,))
    for name in ("secret.hex", "examiners.yaml"):
        shutil.copy(case.root / name, made.root / name)
    shutil.copytree(case.root / "strangers", made.root / "strangers")
    pair = assign(review, made)
    assert len(pair) == 2
    assert hand_in(review, made, *(fill(made, page, {"p1": person}) for page in pair))["imported"] == 2
    assert export(review, made)["outcomes"] == {"potential_candidate": 1}
    assert document(made)["results"][0]["subject_id"] == person


def test_a_search_of_match_has_nothing_to_look_at(review: Review, fresh: CaseWorld) -> None:
    done = review("assign", *fresh.flags("--search", fresh.searches[2]))
    assert (done["code"], done["assigned"]) == (2, 0)
    assert "has no pictures of its probes and candidates" in done["error"]
    assert "search the case with `facebatch cases`" in done["error"]
    assert review("assign", *fresh.flags())["without_pictures"] == [fresh.searches[2]]
    assert review("status", *at(fresh))["states"] == {"waiting": 1}
    assert export(review, fresh)["outcomes"] == {"no_candidate": 3}


def test_another_secret_or_open_files_are_refused(review: Review, case: CaseWorld) -> None:
    one, _ = pages(case)
    good = fill(case, one, {})
    case.secret.write_text("ab" * 32)
    for done in (review("assign", *case.flags()), export(review, case), review("status", *at(case))):
        assert (done["code"], "was assigned with another review secret" in done["error"]) == (2, True)
    assert hand_in(review, case, good)["code"] == 2
    case.secret.chmod(0o644)
    assert "chmod 600" in review("assign", *case.flags())["error"]
    case.secret.chmod(0o600)
    (case.root / "pages").chmod(0o755)
    assert "chmod 700" in review("assign", *case.flags())["error"]


def test_status_tells_who_is_waited_for_and_what_nobody_has(review: Review, fresh: CaseWorld) -> None:
    state = review("status", *at(fresh))
    assert (state["states"], state["oldest_days"]) == ({"unassigned": 1}, None)
    one, two = assign(review, fresh)
    hand_in(review, fresh, fill(fresh, one, {}))
    state = review("status", *at(fresh)[:2])
    assert (state["states"], state["waiting"], state["cases"][0]["probes"]) == (
        {"waiting": 1},
        {two.parent.name: 1},
        {},
    )
    hand_in(review, fresh, fill(fresh, two, {FIRST: NOBODY}))
    assert review("status", *at(fresh)[:2])["states"] == {"examined": 1}
    assert review("status", *at(fresh))["states"] == {"concluded": 1}
    shutil.rmtree(fresh.root / "results" / fresh.searches[0])
    assert review("status", *at(fresh))["states"] == {"void": 1}


def test_an_empty_file_is_told_once_with_what_to_do(review: Review, case: CaseWorld) -> None:
    empty = case.root / "sheet.json"
    empty.touch()
    done = hand_in(review, case, empty)
    assert (done["code"], done["imported"]) == (2, 0)
    assert f"- {empty}: is empty; save the sheet again from the page\n" in done["error"]
    assert done["error"].count(str(empty)) == 1


def test_assign_tells_whose_a_folder_is_by_place_in_the_file(
    fresh: CaseWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["review", "assign", *fresh.flags("--decoy-rate", "0", "--quiet")])
    said = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    places = {str(known_pseudonym(fresh.gallery, "actor", name)): at for at, name in enumerate(EXAMINERS, start=1)}
    given = {page.parent.name for page in pages(fresh)}
    assert len(given) == 2
    for folder in given:
        assert f"examiner {places[folder]} of the file 1 case to examine; pages in {folder} " in said
    assert said.count("nothing to examine") == len(EXAMINERS) - 2
