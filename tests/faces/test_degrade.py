from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.faces.degrade import Recipe, degrade, degrade_crop


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def picture(height: int = 60, width: int = 90, seed: int = 1) -> np.ndarray:
    """A slope from dark to bright with some texture, read-only as decoded images are."""
    slope = np.linspace(20, 200, width)[np.newaxis, :, np.newaxis]
    pixels = (slope + rng(seed).uniform(0, 40, (height, width, 3))).astype(np.uint8)
    pixels.setflags(write=False)
    return pixels


recipes = st.builds(
    Recipe,
    scale=st.floats(0.001, 1),
    blur=st.floats(0, 3),
    stops=st.floats(-12, 6),
    noise=st.floats(0, 100),
    jpeg=st.none() | st.integers(1, 100),
)


def test_the_recipe_that_says_nothing_changes_nothing():
    assert np.array_equal(degrade(picture(), Recipe(), rng()), picture())


@given(recipes, st.integers(1, 40), st.integers(1, 40))
def test_every_recipe_gives_a_picture_of_the_scaled_size(recipe, height, width):
    found = degrade(picture(height, width), recipe, rng())
    assert found.dtype == np.uint8
    assert found.shape == (max(1, round(height * recipe.scale)), max(1, round(width * recipe.scale)), 3)
    assert degrade_crop(picture(40, 40), recipe, rng()).shape == (40, 40, 3)


@given(recipes)
def test_the_same_state_of_the_generator_gives_the_same_pixels(recipe):
    assert np.array_equal(degrade(picture(), recipe, rng(5)), degrade(picture(), recipe, rng(5)))


def test_the_generator_is_drawn_from_for_noise_alone():
    drawn, untouched = rng(), rng()
    recipe = Recipe(0.5, 1.0, -1.0, 0.0, 30)
    degrade(picture(), recipe, drawn)
    assert drawn.bit_generator.state == untouched.bit_generator.state
    degrade(picture(), replace(recipe, noise=1.0), drawn)
    assert drawn.bit_generator.state != untouched.bit_generator.state


def test_light_is_halved_or_doubled_by_a_stop_and_cut_off_at_white():
    grey = np.full((4, 4, 3), 128, np.uint8)
    assert degrade(grey, Recipe(stops=-1.0), rng())[0, 0, 0] == round(128 * 0.5 ** (1 / 2.2))
    assert degrade(grey, Recipe(stops=1.0), rng())[0, 0, 0] == round(128 * 2 ** (1 / 2.2))
    assert (degrade(grey, Recipe(stops=4.0), rng()) == 255).all()


def test_noise_has_the_spread_that_was_asked_for():
    grey = np.full((100, 100, 3), 128, np.uint8)
    noisy = degrade(grey, Recipe(noise=12.0), rng()).astype(float)
    assert noisy.std() == pytest.approx(12, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=0.5)


def test_a_new_pixel_is_the_mean_of_those_it_covers():
    tiles = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2) * 50, np.ones((8, 8), np.uint8))
    small = degrade(np.repeat(tiles[:, :, np.newaxis], 3, axis=2), Recipe(scale=1 / 8), rng())
    assert small[:, :, 0].tolist() == [[0, 50], [100, 150]]


@pytest.mark.parametrize(("name", "steps"), [("blur", [0.0, 0.3, 0.6, 1.2, 4.0]), ("jpeg", [95, 60, 30, 10])])
def test_every_step_leads_further_from_the_picture(name, steps):
    worse = [degrade(picture(), Recipe(**{name: step}), rng()).astype(float) for step in steps]
    away = [np.abs(pixels - picture()).mean() for pixels in worse]
    assert away == sorted(away)
    assert away[-1] > away[0] + 2
