"""Filling of the look-up table by its algorithm in Python, with keys of all kinds."""

import random
from statistics import mean

import pytest

from espnic.hdl.sa.lookup_control import MOVES_MAX, OVERFLOW_ENTRIES, WAYS
from espnic.model.interface.registers import TABLE_KEY_DEFAULT
from tests.support.lookup_places import (
    COLLIDING,
    Places,
    colliding_keys,
    fill,
    random_keys,
    random_table_key,
    run_of_spis,
)

pytestmark = pytest.mark.fixed_seed

COLLIDING_MAX = WAYS + OVERFLOW_ENTRIES


def collide_by_default(chance, sas):
    """Keys of an attacker who takes the table key to be the default."""
    return colliding_keys(chance, sas, TABLE_KEY_DEFAULT, sas - 1)


SIZES = pytest.mark.parametrize("sas, tables", [(64, 200), (1024, 8), (16384, 1)])


@SIZES
def test_a_random_key_for_every_handle_fits(sas, tables):
    chance = random.Random(sas)
    moves: list[int] = []
    for _ in range(tables):
        places = Places(sas, random_table_key(chance))
        count, moved = fill(places, random_keys(chance, sas - 1))
        assert count == sas - 1 and places.complete()
        moves += moved
    assert 0.05 < mean(moves) < 0.2


@SIZES
def test_a_run_of_spis_fits_under_the_default_and_nearly_every_other_table_key(sas, tables):
    chance = random.Random(sas)
    default = Places(sas, TABLE_KEY_DEFAULT)
    assert fill(default, run_of_spis(chance, sas - 1))[0] == sas - 1 and default.complete()
    not_all = 0
    for _ in range(tables):
        places = Places(sas, random_table_key(chance))
        not_all += fill(places, run_of_spis(chance, sas - 1))[0] < sas - 1
        assert places.complete()
    assert not_all <= 0.02 * tables


@pytest.mark.parametrize("seed", range(4))
def test_keys_that_collide_under_the_default_fit_under_a_secret_table_key(seed):
    chance = random.Random(seed)
    keys = collide_by_default(chance, 1024)
    places = Places(1024, random_table_key(chance))
    count, moves = fill(places, keys)
    assert count == 1023
    assert max(moves) < MOVES_MAX and mean(moves) < 0.2


def test_keys_that_collide_are_refused_and_push_nothing_out():
    chance = random.Random(1)
    places = Places(1024, TABLE_KEY_DEFAULT)
    keys = collide_by_default(chance, 1024)
    assert len({tuple(places.indexes(key)) for key in keys}) == 1
    others = random_keys(chance, 500)
    assert fill(places, others[:250])[0] == 250
    count, _ = fill(places, keys)
    assert count <= COLLIDING_MAX and places.complete()
    kept = set(places.keys)
    fill(places, others[250:])
    assert kept <= places.keys and places.complete()


def test_places_that_deletes_leave_are_filled_again():
    chance = random.Random(1)
    places = Places(1024, random_table_key(chance))
    fill(places, random_keys(chance, 1023))
    for _ in range(2000):
        places.remove(chance.choice(sorted(places.keys)[:64]))
        assert fill(places, random_keys(chance, 1))[0] == 1
    assert len(places.keys) == 1023 and places.complete()


def test_the_ways_fill_to_five_sixths_before_a_key_is_refused():
    chance = random.Random(1)
    expected = WAYS * 512 * 5 // 6
    for _ in range(4):
        places = Places(1024, random_table_key(chance))
        assert fill(places, random_keys(chance, expected))[0] == expected
        assert places.complete()


def test_any_two_rows_of_a_key_determine_the_third():
    chance = random.Random(1)
    places = Places(16, random_table_key(chance))
    for key in random_keys(chance, 100):
        p, q, both = places.indexes(key)
        assert both == p ^ q
    colliding = Places(16, COLLIDING)
    assert fill(colliding, random_keys(chance, 20))[0] == COLLIDING_MAX
