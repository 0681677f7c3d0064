"""Synthetic templates: valid tables, one person in gallery and probes, and groups that differ as they are told to."""

import numpy as np
import pyarrow as pa
import pytest

from facebatch.errors import ConfigError
from facebatch.evaluate.population_draw import VARIABLE
from facebatch.evaluate.population_templates import (
    BLOCK,
    LooksSpec,
    TemplatesSpec,
    gallery_templates,
    probe_templates,
    sample,
)
from facebatch.evaluate.verification import compare, fmr, fnmr
from facebatch.match.similarity import similarities
from facebatch.storage.parquet import embeddings, read_table, read_templates, write_table

PLAIN = LooksSpec(name="plain", subjects=900, mated_people=200, non_mated_people=150, pull=0.2, noise=0.6)
ALIKE = LooksSpec(name="alike", subjects=500, mated_people=100, non_mated_people=50, pull=0.8, noise=1.0)
SPEC = TemplatesSpec(groups=(PLAIN, ALIKE), dim=64)


@pytest.fixture(scope="module")
def gallery() -> pa.Table:
    return pa.concat_tables(gallery_templates(SPEC, 3)).combine_chunks()


@pytest.fixture(scope="module")
def probes() -> tuple[pa.Table, pa.Table]:
    blocks = list(probe_templates(SPEC, 3))
    return tuple(
        pa.concat_tables(tables).combine_chunks()
        for tables in ([block.templates for block in blocks], [block.truth for block in blocks])
    )


def test_tables_are_those_of_the_schemas(gallery, probes):
    templates, truth = probes
    for table in (gallery, templates):
        assert read_templates(write_table(table, kind="templates", model="synthetic"), "mem").equals(table)
        assert table["image_id"].to_pylist() == sorted(set(table["image_id"].to_pylist()))
    assert read_table(write_table(truth, kind="truth", model=None), kind="truth", origin="mem").equals(truth)
    assert not set(gallery["template_id"].to_pylist()) & set(templates["template_id"].to_pylist())
    assert templates["subject_id"].null_count == templates.num_rows


def test_everyone_is_there_as_often_as_asked(gallery, probes):
    subjects = gallery["subject_id"].to_pylist()
    assert len(subjects) == 2 * len(set(subjects)) == 2 * 1400 > 2 * BLOCK
    labels = [dict(groups)[VARIABLE] for groups in gallery["groups"].to_pylist()]
    assert (labels.count("plain"), labels.count("alike")) == (1800, 1000)
    _, truth = probes
    rows = truth.to_pylist()
    mated = {row["subject_id"] for row in rows} - {None}
    strangers = {row["person_id"] for row in rows} - {None}
    assert (len(rows), len(mated), len(strangers)) == (1000, 300, 200)
    assert all((row["subject_id"] is None) != (row["person_id"] is None) for row in rows)
    assert mated <= set(subjects)
    group_of = dict(zip(subjects, labels, strict=True))
    assert all(dict(row["groups"])[VARIABLE] == group_of[row["subject_id"]] for row in rows if row["subject_id"])


def test_mates_are_one_person_and_strangers_are_not(gallery, probes):
    templates, truth = probes
    scores = embeddings(templates).astype(np.float32) @ embeddings(gallery).astype(np.float32).T
    subjects = np.array(gallery["subject_id"].to_pylist())
    own = np.array([name or "" for name in truth["subject_id"].to_pylist()])[:, None] == subjects
    mated = own.any(axis=1)
    assert own[mated].sum(axis=1).tolist() == [2] * mated.sum()
    plain = mated & (np.arange(len(mated)) < 400)
    assert scores[plain][own[plain]].mean() == pytest.approx(1 / (1 + 0.6**2), abs=0.02)
    hit = np.where(own, scores, -1).max(axis=1) > np.where(own, -1, scores).max(axis=1)
    assert hit[plain].mean() > 0.9
    assert hit[mated & ~plain].mean() < hit[plain].mean()
    assert abs(scores[~mated].mean()) < 0.2


def test_groups_differ_in_both_error_rates():
    threshold, n = 0.45, 20_000
    rates = []
    for row in (0, 1):
        comparisons = compare(sample(SPEC, (row, row), n, 1, mated=True), sample(SPEC, (row, row), n, 1))
        rates.append((float(fmr(comparisons, threshold)), float(fnmr(comparisons, threshold))))
    across = float(fmr(compare([1.0], sample(SPEC, (0, 1), n, 1)), threshold))
    assert rates[1][0] > 5 * rates[0][0]
    assert rates[1][1] > 5 * rates[0][1]
    assert across < rates[1][0]


def test_samples_have_the_similarities_of_the_tables(gallery, probes):
    """Of the two sources one says what to expect of the other."""
    vectors = embeddings(gallery)[1800:]  # alike, two sessions each
    rows = np.arange(0, len(vectors), 2)
    mates = similarities(vectors, vectors, np.stack([rows, rows + 1], axis=1))
    strangers = similarities(vectors, vectors, np.stack([rows, np.roll(rows, 1)], axis=1))
    for found, mated in ((mates, True), (strangers, False)):
        expected = sample(SPEC, (1, 1), 20_000, 9, mated=mated)
        assert abs(found.mean() - expected.mean()) < 5 * found.std() / np.sqrt(len(found) / 2)
        assert found.std() == pytest.approx(expected.std(), rel=0.2)


def test_poor_quality_makes_more_noise():
    rough = TemplatesSpec(groups=(PLAIN,), dim=64, quality_effect=0.9)
    even = TemplatesSpec(groups=(PLAIN,), dim=64, quality_effect=0.0)
    spread = [sample(spec, (0, 0), 5000, 2, mated=True).std() for spec in (rough, even)]
    assert spread[0] > 2 * spread[1]


def test_a_seed_is_a_population(gallery):
    assert pa.concat_tables(gallery_templates(SPEC, 3)).combine_chunks().equals(gallery)
    assert not next(gallery_templates(SPEC, 4)).equals(next(gallery_templates(SPEC, 3)))
    fewer = TemplatesSpec(groups=(PLAIN, ALIKE.model_copy(update={"subjects": 300, "non_mated_people": 0})), dim=64)
    smaller = pa.concat_tables(gallery_templates(fewer, 3)).combine_chunks()
    assert smaller.slice(0, 2 * BLOCK).equals(gallery.slice(0, 2 * BLOCK))


def test_more_mated_people_than_subjects_are_refused():
    groups = (LooksSpec(name="g", subjects=2, mated_people=3),)
    with pytest.raises(ConfigError, match="group 'g' has more mated people than its 2 subjects"):
        next(probe_templates(TemplatesSpec(groups=groups), 0))
