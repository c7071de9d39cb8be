from __future__ import annotations

import numpy as np

from alignkit._core.random import as_generator, derive_seed


def test_a_seed_gives_the_same_draws_and_a_generator_is_used_as_it_is():
    assert as_generator(3).random() == as_generator(3).random()
    generator = np.random.default_rng(0)
    assert as_generator(generator) is generator


def test_derived_seeds_depend_on_every_name_and_on_their_borders():
    seeds = {
        derive_seed(0),
        derive_seed(1),
        derive_seed(0, "ab"),
        derive_seed(0, "a", "b"),
        derive_seed(0, "b", "a"),
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_derived_seed_is_the_same_in_every_version():
    # Stored results are found again by keys that hold such seeds.
    assert derive_seed(0, "folds") == 5787476171378276772
