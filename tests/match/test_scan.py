"""The scan equals the definition applied to all pairs, bit for bit, ties by template_id, on every awkward gallery."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facebatch.index.build import sort_members
from facebatch.match.candidates import merge, open_gallery, to_table
from facebatch.match.scan import Hits, Limits, raised, scan
from facebatch.match.settings import MatchSpec
from facebatch.match.similarity import similarities
from synthetic import template_table, unit


def brute_force(probes: np.ndarray, table: pa.Table, vectors: np.ndarray, spec: MatchSpec) -> list[tuple]:
    """(probe, rank, subject, template, similarity) by the definition, in plain Python."""
    ids, subjects = table["template_id"].to_pylist(), table["subject_id"].to_pylist()
    out = []
    for p in range(len(probes)):
        pairs = np.array([(p, row) for row in range(len(vectors))])
        scored = sorted((-s, ids[row], subjects[row]) for row, s in enumerate(similarities(probes, vectors, pairs)))
        seen: list[str] = []
        for negative, template, subject in scored:
            name = f"subject {subject}" if subject is not None else f"template {template}"
            if name in seen or -negative < np.float32(spec.lowest) or len(seen) == spec.length:
                continue
            seen.append(name)
            out.append((p, len(seen), subject, template, -negative))
    return out


def scanned(probes: np.ndarray, tables: list[pa.Table], spec: MatchSpec) -> list[tuple]:
    """The same from one cell per table, merged."""
    ids = pa.chunked_array([[f"{row:04d}" for row in range(len(probes))]], pa.string())
    cells = []
    for table in tables:
        members, vectors = sort_members([table])
        cells.append(to_table(scan(probes, open_gallery(members, vectors), spec), ids, members, 7))
    merged = merge(cells, spec.length)
    assert set(merged["snapshot"].to_pylist()) <= {7}
    rows = merged.to_pylist()
    return [
        (int(r["probe_id"]), r["rank"], r["subject_id"], r["template_id"], np.float32(r["similarity"])) for r in rows
    ]


def gallery(rng: np.random.Generator, rows: int, dim: int, subjects: int) -> tuple[np.ndarray, list[str | None]]:
    """Clustered vectors with exact duplicates, near duplicates and unlabelled rows."""
    centres = rng.standard_normal((max(subjects, 1), dim))
    owner = rng.integers(0, max(subjects, 1), rows)
    vectors = centres[owner] + rng.choice([0.0, 1e-4, 0.5], (rows, 1)) * rng.standard_normal((rows, dim))
    return unit(vectors), [f"s{o:03d}" if o % 4 else None for o in owner]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([3, 16, 33]),
    rows=st.integers(1, 60),
    subjects=st.integers(1, 20),
    length=st.sampled_from([1, 3, 50]),
    floor=st.sampled_from([None, -0.5, 0.0, 0.7]),
    block=st.sampled_from([1, 7, 1000]),
)
def test_scan_and_merge_equal_the_definition(
    seed: int, dim: int, rows: int, subjects: int, length: int, floor: float | None, block: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors, names = gallery(rng, rows, dim, subjects)
    table = template_table(vectors, names)
    probes = np.concatenate([vectors[: min(rows, 3)], unit(rng.standard_normal((2, dim)))])
    spec = MatchSpec(length=length, floor=floor, gallery_block=block)
    cut = int(rng.integers(0, rows + 1))
    parts = [part for part in (table.slice(0, cut), table.slice(cut)) if part.num_rows]
    assert scanned(probes, parts, spec) == brute_force(probes, table, vectors, spec)


def test_all_equal_scores_are_listed_by_template_id() -> None:
    vectors = unit(np.ones((40, 8)))
    table = template_table(vectors[::-1], [f"s{39 - row}" for row in range(40)])
    found = scanned(vectors[:1], [table], MatchSpec(length=5))
    assert [row[3] for row in found] == [f"t{row:06d}" for row in range(5)]


def test_many_templates_of_one_subject_do_not_push_others_out() -> None:
    rng = np.random.default_rng(3)
    probe = unit(rng.standard_normal((1, 32)))
    crowd = unit(probe.astype(float) + 0.01 * rng.standard_normal((500, 32)))
    others = unit(rng.standard_normal((9, 32)))
    names: list[str | None] = ["crowd"] * 500 + [f"other{row}" for row in range(9)]
    table = template_table(np.concatenate([crowd, others]), names)
    found = scanned(probe, [table], MatchSpec(length=10, gallery_block=64))
    assert found[0][2] == "crowd"
    assert {row[2] for row in found} == {"crowd", *(f"other{row}" for row in range(9))}


def test_a_score_equal_to_the_floor_is_listed() -> None:
    vectors = unit(np.eye(4))
    table = template_table(vectors, ["a", "b", "c", "d"])
    found = scanned(vectors[:1], [table], MatchSpec(length=4, floor=1.0))
    assert [(row[2], float(row[4])) for row in found] == [("a", 1.0)]
    assert len(scanned(vectors[:1], [table], MatchSpec(length=4, floor=0.0))) == 4


@pytest.mark.parametrize("rows", [0, 1])
def test_nothing_to_compare_gives_an_empty_list(rows: int) -> None:
    vectors = unit(np.eye(4))
    members, kept = sort_members([template_table(vectors, ["a"] * 4)])
    hits = scan(vectors[:0], open_gallery(members, kept), MatchSpec())
    assert len(hits.probe) == len(hits.row) == len(hits.similarity) == 0
    assert len(scan(vectors[:rows], open_gallery(members.slice(0, 0), kept[:0]), MatchSpec()).row) == 0


@pytest.mark.parametrize("length", [1, 3, 12])
def test_cuts_of_segments_searched_before_change_no_merged_list(length: int) -> None:
    rng = np.random.default_rng(length)
    ids = pa.chunked_array([[f"p{probe}" for probe in range(9)]])
    probes, spec = unit(rng.standard_normal((9, 8))), MatchSpec(length=length)
    free, limited, cuts, dropped = [], [], None, 0
    for number in range(4):
        vectors = unit(rng.standard_normal((40, 8)))
        subjects = [f"s{row % 15 + 5 * number}" for row in range(40)]
        members, kept = sort_members([template_table(vectors, subjects, prefix=f"{number}-")])
        gallery = open_gallery(members, kept)
        hits, fewer = scan(probes, gallery, spec), scan(probes, gallery, spec, Limits(cut=cuts))
        dropped += len(hits.row) - len(fewer.row)
        cuts = raised(cuts, fewer, len(probes), length)
        free.append(to_table(hits, ids, members, 1))
        limited.append(to_table(fewer, ids, members, 1))
    assert dropped > 0
    assert merge(limited, length).equals(merge(free, length))


def test_a_list_that_is_not_full_cuts_nothing() -> None:
    hits = Hits(np.array([0, 0, 2]), np.array([1, 2, 3]), np.array([0.5, 0.4, 0.3], np.float32))
    known = np.array([-np.inf, 0.1, 0.2], np.float32)
    assert raised(None, hits, 3, 2).tolist() == [np.float32(0.4), -np.inf, -np.inf]
    assert raised(known, hits, 3, 1).tolist() == [-np.inf, np.float32(0.1), np.float32(0.3)]
