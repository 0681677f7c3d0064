"""Candidate sheets: what they say and do not say, that no text leaves its place, and that colours can be read."""

import re
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.governance.denial import Denial
from facebatch.pipelines.case_index import indexed
from facebatch.pipelines.case_sheet import Pictures, render_sheet
from facebatch.pipelines.case_words import NOTICE, visible
from facebatch.review.sheet import MediumQuality, RequestFact, Sheet, Standing
from facebatch.schemas import Outcome
from page import Page
from sheets import (
    EVIL,
    NEVER_MEASURED,
    TURNED,
    candidates,
    drawn,
    medium,
    not_searched,
    odd,
    refused,
    searched,
    several,
    sheet,
    standing,
)

EMBEDDED = "data:image/jpeg;base64,[A-Za-z0-9+/=]+"
LINKED = r"pictures/[0-9a-f]{32}\.jpg"
PLAIN, OTHER = sheet(searched(drawn), searched(drawn, "second")), several(drawn)
TEXTS = {"ink", "soft", "good", "bad"}
GROUNDS = {"paper", "wash"}


def page_of(shown: Sheet, pictures: Pictures = "embedded") -> Page:
    return Page(render_sheet(shown, pictures).html.decode())


def words(*probes: object, **told: object) -> str:
    return page_of(sheet(*probes, **told)).words


@pytest.mark.parametrize("shown", [PLAIN, OTHER, refused(), standing(drawn), odd(drawn)], ids=lambda each: each.case_id)
def test_every_sheet_is_fit_for_people_and_their_tools(shown: Sheet) -> None:
    page_of(shown).assert_sheet(EMBEDDED)
    page_of(shown, "linked").assert_sheet(LINKED)


def test_the_same_sheet_is_the_same_bytes_with_candidates_in_any_order() -> None:
    backwards = replace(PLAIN, probes=tuple(replace(each, candidates=each.candidates[::-1]) for each in PLAIN.probes))
    for pictures in ("embedded", "linked"):
        assert render_sheet(PLAIN, pictures) == render_sheet(backwards, pictures)
    assert render_sheet(PLAIN, "embedded").html != render_sheet(replace(PLAIN, snapshot=42), "embedded").html


def test_embedded_pages_need_no_file_and_linked_ones_only_those_they_name() -> None:
    assert render_sheet(PLAIN, "embedded").files == {}
    linked = render_sheet(PLAIN, "linked")
    assert set(re.findall(LINKED, linked.html.decode())) == set(linked.files)
    pictures = {each.picture.jpeg for probe in PLAIN.probes for each in probe.candidates if each.picture}
    assert pictures < set(linked.files.values())
    assert list(linked.files) == sorted(linked.files)


def test_the_policy_of_a_page_allows_only_its_own_pictures() -> None:
    policy = "default-src 'none'; img-src {}; style-src 'unsafe-inline'"
    for pictures, source in (("embedded", "data:"), ("linked", "'self'")):
        metas = page_of(PLAIN, pictures).each("meta")
        assert [values["content"] for values in metas if "http-equiv" in values] == [policy.format(source)]


def test_the_lead_banner_and_its_citations_are_on_screen_and_on_paper() -> None:
    page = page_of(PLAIN)
    assert page.words.count(NOTICE) == 2 + len(PLAIN.probes)
    assert "[baseline: FBI NGI-IPS privacy impact assessment 2015]" in page.words
    assert "At least 2 examiners review each candidate" in page.words
    assert '@bottom-left { content: "Candidates\\20 are\\20 leads' in page.text


def test_candidates_stand_by_rank_with_similarity_and_margin_and_never_a_percentage() -> None:
    page = page_of(PLAIN)
    first = page.text.split('id="probe-1"')[1].split('id="probe-2"')[0]
    assert re.findall(r"Rank (\d+)", first) == ["1", "2", "3", "4", "5"]
    listed = PLAIN.probes[0].candidates
    assert re.findall(r'<dd class="main">(.*?)</dd>', first) == [f"{each.similarity:.4f}" for each in listed]
    end = PLAIN.probes[0].threshold
    assert end is not None
    margins = [f"{each.margin:.4f}" for each in listed[:-1] if each.margin is not None]
    margins.append(f"more than {listed[-1].similarity - end:.4f}")  # nobody else reaches the threshold
    assert re.findall(r"<dt>Margin</dt><dd>(.*?)</dd>", first) == margins
    assert "%" not in page.words


def test_a_list_says_what_it_is_worth() -> None:
    said = words(searched(drawn))
    for part in (
        "5 candidates at or above the threshold 0.3412",
        "About 0.013 people who are not the probe's person are expected in this list",
        "for this threshold and a gallery of 987 654 people, 1 204 331 templates.",
        "about 8.7 of 100 did not list them (FNIR 0.0874)",
        "about 9.6 of 1 000 listed somebody all the same (FPIR 0.0096)",
        "Quality band B",
        "Gallery 987 654 people, 1 204 331 templates",
        "Every probe was compared with every template of the snapshot.",
        "Set for an FPIR of 1 in 100",
        "s3://faces/galleries/custody",
        "Retrospective search",
    ):
        assert part in said
    assert "The list is full" not in said
    assert "The list is full: more people may be at or above the threshold than the 20 shown." in words(
        searched(drawn, full=True)
    )


def test_no_candidate_is_stated_with_what_it_means_and_does_not_mean() -> None:
    said = words(searched(drawn, candidates=()))
    assert said.count("No candidate at or above the threshold") == 2
    assert "of the 1 204 331 templates of snapshot 41, none is as alike to the probe as the threshold." in said
    assert "it is no evidence that the person is not in the gallery" in said
    assert "about 8.7 of 100 did not list them" in said
    assert "may not be enrolled" in said
    assert "Rank" not in said


def test_a_list_without_a_threshold_says_so() -> None:
    bare = searched(drawn, **NEVER_MEASURED)
    said = words(bare)
    assert "No threshold is known" in said
    assert "Somebody is always first, also when the probe's person is not in the gallery at all." in said
    assert "How many people of this list are not the probe's person was never measured." in said
    assert "at or above the threshold" not in said
    assert "as alike to the probe as the search asks for" in words(replace(bare, candidates=()))


def test_a_refused_case_shows_every_denial_and_what_to_state_but_searches_nothing() -> None:
    page = page_of(refused())
    for denial in refused().denied:
        assert all(part in page.words for part in (denial.citation, denial.rule, *denial.missing, *denial.inexact))
    assert "nothing was searched, and no picture of this case was read" in page.words
    assert "To be stated more exactly: requester.jurisdiction" in page.words
    assert page.each("img") == []
    assert "Rank" not in page.words


def test_probes_that_are_not_searched_say_why_and_what_would_help() -> None:
    said = page_of(OTHER).words
    assert "Not searched: quality too low to search" in said
    assert "What would make it searchable: At least 40 px between the eyes (about 17 now)" in said
    assert "Not searched: several faces, none designated 6 faces were found." in said
    assert "No sketch is searched. RCW 43.386.080(7) (us-wa.sketch)" in said
    assert said.count("This says nothing about the person") == 3


def test_media_are_shown_original_beside_aligned_with_times_weights_numbers_and_edits() -> None:
    page = page_of(OTHER)
    assert "shop-camera-3.mp4 at 1:03.199 of the video Weight in the template: 0.25 of 1" in page.words
    assert "Edited before the search: cropped; brightened by 20" in page.words
    assert "Pictures of this probe were edited before the search" in page.words
    assert "Unified quality 68 Eye distance 91 Pose 97 Sharpness 64" in page.words
    assert "Not used: several faces, none designated" in page.words
    alts = [str(values["alt"]) for values in page.each("img")]
    assert alts[:2] == ["shop-camera-3.mp4: the face with its surroundings", "shop-camera-3.mp4: the aligned crop"]


def test_what_was_not_assessed_has_no_number() -> None:
    blurred = medium(drawn, "a.jpg", "lon001_smiling", quality=MediumQuality(unified=0.4))
    said = words(searched(drawn, media=(blurred,)))
    assert "Unified quality 0" in said
    assert "Sharpness" not in said
    assert "Quality numbers run" not in words(searched(drawn, media=()))


def test_the_probe_stands_beside_its_list_as_its_heaviest_crop() -> None:
    light, heavy = (medium(drawn, f"{w}.jpg", f"lon00{w}_smiling", weight=w / 10) for w in (3, 7))
    assert "The probe , to compare with: 7.jpg" in words(searched(drawn, media=(light, heavy)))
    assert "to compare with" not in words(searched(drawn, media=(replace(light, aligned=None),)))


def test_missing_pictures_are_named_and_not_shown() -> None:
    listed = (replace(candidates(drawn, 1)[0], picture=None),)
    page = page_of(sheet(searched(drawn, candidates=listed, media=(medium(drawn, "a", "b", original=None),))))
    assert "No picture could be had" in page.words
    assert "No picture is kept" in page.words
    assert len(page.each("img")) == 2


def test_a_gallery_that_was_never_measured_or_not_approved_is_said_to_be() -> None:
    assert "were never measured with this model" in page_of(OTHER).words
    assert "it is not approved for use" in words(searched(drawn), approved_for_use=False)
    assert "not approved" not in words(searched(drawn))


def test_standing_cases_say_what_is_new() -> None:
    page = page_of(standing(drawn))
    assert "searched before against snapshot 38. New since then: 1 candidate of probe" in page.words
    assert page.words.count("1 new") == 1
    assert re.findall(r"Rank (\d+)</span> <span class=\"tag\">New", page.text) == ["2"]
    assert "Nothing is new since then" in words(searched(drawn), standing=Standing(38, ()))
    assert "searched for the first time" in words(searched(drawn), standing=Standing(None, ()))


def test_a_standing_case_does_not_claim_what_only_earlier_searches_compared() -> None:
    said = page_of(standing(drawn)).words
    assert "Compared was what changed in the gallery after snapshot 38" in said
    assert "for this threshold and what changed in the gallery since snapshot 38." in said
    assert "every template of the snapshot" not in said
    nobody = words(searched(drawn, candidates=()), standing=Standing(38, ()))
    assert "of the templates that came into the gallery after snapshot 38, none is as alike" in nobody
    assert "every template of the snapshot" in words(searched(drawn), standing=Standing(None, ()))


def test_people_are_not_counted_where_nobody_counted_them() -> None:
    said = words(searched(drawn), subjects=None)
    assert "People in it, N not counted" in said
    assert "a gallery of 1 204 331 templates." in said


def test_unlabelled_templates_make_the_number_of_people_a_bound() -> None:
    assert "People in it, N 987 654 Templates" in words(searched(drawn))
    said = words(searched(drawn), unlabelled=1)
    assert "People in it, N at most 987 654 (1 template names nobody, each counted as a person)" in said
    assert "a gallery of at most 987 654 people, 1 204 331 templates." in said
    assert "People in it" not in page_of(refused()).words


def test_only_probes_that_were_searched_are_said_to_be_compared() -> None:
    poor = not_searched("grainy", Outcome.NOT_SEARCHABLE, None)
    assert "Every probe was compared with every template of the snapshot." in words(searched(drawn))
    assert "Every probe that was searched was compared with every template" in words(searched(drawn), poor)
    said = words(poor)
    assert "Nothing was compared: no probe of the case could be searched." in said
    assert "compared with every template" not in said
    assert "Nothing was compared" in words(poor, standing=Standing(38, ()))


def test_linked_pictures_lie_where_the_caller_says() -> None:
    def link(path: str) -> str:
        return f"https://store.example/{path}?X-Amz-Signature=a&b"

    here, there = render_sheet(PLAIN, "linked"), render_sheet(PLAIN, "linked", link)
    assert there.files == here.files
    sources = {values["src"] for values in Page(there.html.decode()).each("img")}
    assert sources == {link(path) for path in here.files}
    assert render_sheet(PLAIN, "embedded", link) == render_sheet(PLAIN, "embedded")


def test_hostile_and_turned_text_is_shown_and_does_nothing() -> None:
    page = page_of(odd(drawn))
    assert page.each("script") == []
    assert EVIL in page.words
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.text
    assert "\x07" not in page.text
    assert visible(TURNED) in page.words
    assert page.text.count("</style>") == 1


def odd_everywhere(text: str) -> Sheet:
    """A case in which every text is this one."""
    denial = Denial(text, text, text, (text,), (text,))
    listed = tuple(replace(each, subject_id=text, template_id=text, image_id=text) for each in candidates(drawn, 2))
    named = medium(drawn, text, text, reason=text, edits=(text,), at_ms=5)
    return sheet(
        searched(drawn, text, media=(named,), candidates=listed, warning=text, advice=(text,)),
        not_searched(text, Outcome.POLICY_DENIED, text, denials=(denial,)),
        case_id=text,
        search_id=text,
        gallery=text,
        snapshot_sha256=text,
        model_name=text,
        request=(RequestFact(text, text),),
        standing=Standing(1, (text,)),
    )


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters() | st.sampled_from("<>&\"'/\\{}%\u202e\u2066\x00-"), min_size=1, max_size=12))
def test_no_text_changes_the_page_around_it(text: str) -> None:
    found, usual = (page_of(odd_everywhere(each)) for each in (text, "x" * len(text)))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in usual.tags]
    assert [set(values) for _, values in found.tags] == [set(values) for _, values in usual.tags]
    assert all(each.isprintable() or each in "\n\t\xa0\u202f" for each in found.text)


def colours(scheme: str) -> dict[str, str]:
    """Custom properties of the page, light or dark."""
    every = re.findall(r":root \{(.*?)\}", page_of(PLAIN).text)
    light, dark = (dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", found)) for found in every)
    return light if scheme == "light" else dark


def contrast(one: str, other: str) -> float:
    """Of WCAG 2.2: (L1 + 0.05) / (L2 + 0.05) of relative luminances, from 1 to 21."""

    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_of_known_pairs() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_reaches_aa_on_all_grounds(scheme: str) -> None:
    palette = colours(scheme)
    worst = min(contrast(palette[text], palette[ground]) for text, ground in product(TEXTS, GROUNDS))
    assert worst >= 4.5
    assert contrast(palette["quiet"], palette["wash"]) >= 3


def test_no_other_colour_is_used_for_text_or_ground() -> None:
    style = re.sub(r":root \{.*?\}", "", page_of(PLAIN).text.split("<style>")[1].split("</style>")[0])
    on_screen = re.sub(r"@page \{.*?\n  \}", "", style, flags=re.DOTALL)
    texts = set(re.findall(r"(?<![-\w])color: ([^;}]+)", on_screen))
    assert texts <= {*(f"var(--{each})" for each in TEXTS), "inherit"}
    grounds = set(re.findall(r"background(?:-color)?: ([^;}]+)", on_screen))
    assert grounds <= {*(f"var(--{each})" for each in GROUNDS), "#ffffff"}
    assert set(re.findall(r"#[0-9a-f]{6}", style)) == {"#ffffff", colours("light")["ink"]}


def test_media_that_may_show_two_people_are_asked_about_where_the_reader_begins() -> None:
    asked = "street.jpg resembles the rest of this probe at only 0.08: is it the same person?"
    probe = searched(drawn, "both", doubts=(asked,))
    page = page_of(sheet(probe, searched(drawn)))
    assert page.words.count(asked) == 1
    assert "a template of two people finds each of them less well" in page.words
    assert page.words.count("one person?") == 1
    assert "one person?" not in words(searched(drawn))
    assert indexed(sheet(probe, searched(drawn))).doubts == 1
