"""Several looks at one person to one template: what must hold for any of them."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.errors import ConfigError, CorruptError, StopError
from facebatch.faces.embed import unit
from facebatch.faces.fusion import LEAST_NORM, Cancelled, Fused, FusionSpec, Unlike, find_unlike, fuse
from facebatch.spec import parse

DIM = 16
METHODS = ("best", "mean", "weighted", "top_k")
SPECS = st.builds(
    FusionSpec, method=st.sampled_from(METHODS), k=st.integers(1, 6), power=st.sampled_from([0.0, 0.5, 1.0, 2.0, 8.0])
)
Looks = tuple[npt.NDArray[np.float16], npt.NDArray[np.float64], npt.NDArray[np.int64]]


@st.composite
def several(draw: st.DrawFn, most: int = 8) -> Looks:
    """Different vectors, none opposite to another; equal qualities are common."""
    n = draw(st.integers(1, most))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    vectors = [unit(row) for row in random.normal(size=(n, DIM)).astype(np.float32) + 2]
    quality = st.sampled_from([0.0, 0.25, 40.0, 99.5, 100.0]) | st.floats(0, 100, allow_subnormal=False)
    return (
        np.stack(vectors),
        np.array(draw(st.lists(quality, min_size=n, max_size=n))),
        np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))),
    )


def fused(looks: Looks, spec: FusionSpec) -> Fused:
    found = fuse(*looks, spec)
    assert isinstance(found, Fused)
    return found


def axes(*rows: tuple[int, float]) -> npt.NDArray[np.float32]:
    """Vectors along one axis each: its number and its sign."""
    vectors = np.zeros((len(rows), DIM), dtype=np.float32)
    for row, (axis, value) in enumerate(rows):
        vectors[row, axis] = value
    return vectors


@given(several(), SPECS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_bit(looks, spec, random):
    order = random.sample(range(len(looks[0])), len(looks[0]))
    shuffled = fused(tuple(column[order] for column in looks), spec)
    as_given = fused(looks, spec)
    assert shuffled.vector.tobytes() == as_given.vector.tobytes()
    assert shuffled.weights.tobytes() == as_given.weights[order].tobytes()


@given(several(), SPECS)
def test_weights_are_shares_and_the_vector_is_a_unit(looks, spec):
    found = fused(looks, spec)
    assert found.weights.dtype == np.float64
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    assert found.weights.sum() == pytest.approx(1, abs=1e-12)
    assert found.vector.dtype == np.float32
    assert np.linalg.norm(found.vector.astype(np.float64)) == pytest.approx(1, abs=2e-3)
    mean = found.weights @ looks[0].astype(np.float64)
    assert found.vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-3)


@given(several(most=1), SPECS)
def test_a_single_look_is_itself(looks, spec):
    found = fused(looks, spec)
    assert found.vector.astype(np.float16).tobytes() == looks[0][0].tobytes()
    assert found.weights.tolist() == [1.0]


@given(several(), SPECS)
def test_qualities_on_a_smaller_scale_give_the_same(looks, spec):
    vectors, quality, media = looks
    halves = fused((vectors, quality / 2, media), spec)
    assert halves.weights == pytest.approx(fused(looks, spec).weights, abs=1e-12)


@given(several(), SPECS)
def test_only_the_best_are_used(looks, spec):
    quality = looks[1]
    used = fused(looks, spec).weights > 0
    most = {"best": 1, "top_k": spec.k}.get(spec.method, len(quality))
    assert 1 <= used.sum() <= most
    assert quality[used].min() >= quality[~used].max(initial=0)


@given(several(), st.sampled_from(METHODS))
def test_every_medium_that_is_heard_says_as_much(looks, method):
    spec = FusionSpec(method=method)
    _, _, media = looks
    weights = fused(looks, spec).weights
    sums = [weights[media == medium].sum() for medium in np.unique(media[weights > 0])]
    assert sums == pytest.approx([1 / len(sums)] * len(sums), abs=1e-12)


@given(several(), st.integers(1, 6))
def test_power_0_is_the_plain_mean_of_those_used(looks, k):
    whole = fused(looks, FusionSpec(method="weighted", power=0))
    assert whole.vector.tobytes() == fused(looks, FusionSpec(method="mean")).vector.tobytes()
    assert fused(looks, FusionSpec(k=1)).vector.tobytes() == fused(looks, FusionSpec(method="best")).vector.tobytes()
    enough = FusionSpec(k=len(looks[0]) + k)
    assert fused(looks, enough).weights.tolist() == fused(looks, FusionSpec(method="weighted")).weights.tolist()


def test_a_long_video_does_not_outvote_a_still():
    vectors = axes((0, 1), (0, 1), (0, 1), (1, 1))
    found = fused((vectors, np.full(4, 50.0), np.array([0, 0, 0, 1])), FusionSpec(method="weighted"))
    assert found.weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert found.vector[:2] == pytest.approx([0.5**0.5, 0.5**0.5])


def test_weights_follow_quality_to_the_power():
    looks = (axes((0, 1), (1, 1), (2, 1)), np.array([80.0, 40.0, 20.0]), np.zeros(3, dtype=np.int64))
    assert fused(looks, FusionSpec(method="weighted", power=1)).weights == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert fused(looks, FusionSpec(method="weighted", power=2)).weights == pytest.approx([16 / 21, 4 / 21, 1 / 21])
    assert fused(looks, FusionSpec(k=2, power=1)).weights == pytest.approx([2 / 3, 1 / 3, 0])


def test_qualities_of_0_tell_nothing_where_all_are_and_silence_a_look_where_one_is_not():
    vectors = axes((0, 1), (1, 1), (2, 1))
    media = np.array([0, 0, 1])
    assert fused((vectors, np.zeros(3), media), FusionSpec()).weights.tolist() == [0.25, 0.25, 0.5]
    one = fused((vectors, np.array([0, 7.0, 0]), media), FusionSpec())
    assert one.weights.tolist() == [0, 1, 0]
    assert one.vector.tolist() == vectors[1].tolist()


def test_equal_rows_share_what_is_left_in_the_order_given():
    found = fused(
        (axes((0, 1), (0, 1), (1, 1)), np.array([9.0, 9.0, 10.0]), np.zeros(3, dtype=np.int64)), FusionSpec(k=2)
    )
    assert (found.weights > 0).tolist() == [True, False, True]


def test_opposite_looks_cancel_with_words_and_a_nearly_opposite_one_decides():
    quality, media = np.array([60.0, 60.0]), np.zeros(2, dtype=np.int64)
    found = fuse(axes((3, 1), (3, -1)), quality, media, FusionSpec())
    assert isinstance(found, Cancelled)
    assert found.norm == 0
    assert found.reason == "the looks cancel each other out (mean of norm 0); do they show one person?"
    more = quality * (1 + 2.5 * LEAST_NORM, 1)
    kept = fuse(axes((3, 1), (3, -1)), more, media, FusionSpec(power=1))
    assert isinstance(kept, Fused)
    assert kept.vector[3] == 1
    assert isinstance(fuse(axes((3, 1), (3, -1)), quality * (1 + LEAST_NORM, 1), media, FusionSpec(power=1)), Cancelled)


@pytest.mark.parametrize(("value", "norm"), [(np.nan, "nan"), (np.inf, "inf"), (0.5, "0.5")])
def test_a_vector_that_is_no_template_is_refused_by_its_row(value, norm):
    with pytest.raises(CorruptError, match=f"vector 1 has norm {norm} instead of 1"):
        fuse(axes((0, 1), (1, value)), np.ones(2), np.zeros(2, dtype=np.int64), FusionSpec())


@pytest.mark.parametrize("value", [np.nan, -0.1, 100.5, np.inf])
def test_a_quality_out_of_range_is_refused_by_its_row(value):
    with pytest.raises(CorruptError, match=f"quality 1 is {value}, and not from 0 to 100"):
        fuse(axes((0, 1), (1, 1)), np.array([50, value]), np.zeros(2, dtype=np.int64), FusionSpec())


def test_arrays_that_do_not_belong_together_are_refused():
    vectors, ones, media = axes((0, 1), (1, 1)), np.ones(2), np.zeros(2, dtype=np.int64)
    with pytest.raises(StopError, match="at least one row"):
        fuse(vectors[:0], ones[:0], media[:0], FusionSpec())
    with pytest.raises(StopError, match="at least one row"):
        fuse(vectors[0], ones, media, FusionSpec())
    with pytest.raises(StopError, match=r"quality has shape \(1,\) for 2 vectors"):
        fuse(vectors, ones[:1], media, FusionSpec())
    with pytest.raises(StopError, match=r"media has shape \(3,\) for 2 vectors"):
        fuse(vectors, ones, np.zeros(3, dtype=np.int64), FusionSpec())


def test_settings_are_checked():
    for wrong in ({"method": "max"}, {"k": 0}, {"power": -1}, {"power": float("nan")}):
        with pytest.raises(ConfigError, match=r"fusion.yaml: (method|k|power)"):
            parse(FusionSpec, wrong, origin="fusion.yaml")


def unlike(vectors: npt.NDArray[np.float32], *media: int, weights: list[float] | None = None) -> list[Unlike]:
    shares = np.full(len(media), 1 / len(media)) if weights is None else np.array(weights)
    return list(find_unlike(vectors, np.array(media), shares, 0.35))


def at_angles(*cosines: float) -> npt.NDArray[np.float32]:
    """Each with this similarity to the first axis, and with an axis of its own besides."""
    vectors = np.zeros((len(cosines), DIM), dtype=np.float32)
    for row, cosine in enumerate(cosines):
        vectors[row, 0], vectors[row, row + 1] = cosine, (1 - cosine**2) ** 0.5
    return vectors


def test_of_two_media_that_are_unlike_the_later_is_told_with_their_similarity():
    assert unlike(at_angles(0.8, 0.1), 0, 1) == [Unlike((1,), pytest.approx(0.08, abs=1e-5))]
    assert unlike(at_angles(0.7, 0.501), 0, 1) == []
    assert unlike(at_angles(0.7, 0.499), 0, 1) != []
    assert unlike(at_angles(0.8), 3) == []


def test_the_fewer_media_are_told_wherever_they_are_and_a_chain_holds_others_together():
    three = at_angles(0.1, 0.9, 0.9)
    assert unlike(three, 0, 1, 2) == [Unlike((0,), pytest.approx(0.09, abs=1e-5))]
    profile, half, front = axes((0, 1), (0, 1), (1, 1))
    half[1] = 1
    chain = np.stack([profile, half / 2**0.5, front])
    assert unlike(chain[[0, 2]], 0, 1) == [Unlike((1,), 0.0)]
    assert unlike(chain, 0, 1, 2) == []
    pairs = axes((0, 1), (1, 1), (0, 1), (1, 1), (2, 1))
    assert unlike(pairs, 0, 1, 2, 3, 4) == [Unlike((1, 3), 0.0), Unlike((4,), 0.0)]


def test_a_medium_is_the_mean_of_its_looks_and_looks_without_weight_say_nothing():
    looks = axes((0, 1), (1, 1), (1, 1))
    assert unlike(looks, 0, 0, 1, weights=[0.1, 0.4, 0.5]) == []
    assert unlike(looks, 0, 0, 1, weights=[0.4, 0.1, 0.5]) == [Unlike((1,), pytest.approx(0.2425, abs=1e-4))]
    assert unlike(looks, 0, 0, 1, weights=[0.5, 0.5, 0.0]) == []
    assert unlike(axes((0, 1), (0, -1), (1, 1)), 0, 0, 1, weights=[0.25, 0.25, 0.5]) == [Unlike((1,), 0.0)]


@given(several(), st.randoms(use_true_random=False))
def test_what_is_unlike_does_not_depend_on_the_order_of_the_rows(looks, random):
    vectors, quality, media = looks
    order = random.sample(range(len(vectors)), len(vectors))
    told = [
        find_unlike(
            vectors[rows], media[rows], fused((vectors[rows], quality[rows], media[rows]), FusionSpec()).weights, 0.95
        )
        for rows in (np.arange(len(vectors)), np.array(order))
    ]
    assert [each.media for each in told[0]] == [each.media for each in told[1]]
    assert [each.similarity for each in told[0]] == pytest.approx([each.similarity for each in told[1]], abs=2e-6)


def test_words_ask_and_do_not_accuse():
    assert Unlike((1,), 0.0812).reason == "resembles the rest of this probe at only 0.08: is it the same person?"
    assert Unlike((1, 3), -0.02).reason.startswith("together with 1 more medium resembles the rest")
