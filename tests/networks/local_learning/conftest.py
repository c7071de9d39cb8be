from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from alignkit.networks import Learner
from alignkit.networks._images import square


@cache
def _digits(size: int):
    bunch = load_digits()
    grey = np.round(bunch.images / 16 * 255).astype(np.uint8)
    prepare = square(size)
    images = torch.stack([prepare(Image.fromarray(each).convert("RGB")) for each in grey])
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(labels)))
    return images[order[:1400]], labels[order[:1400]], images[order[1400:]], labels[order[1400:]]


@pytest.fixture(scope="session")
def digits():
    """From a size to training images, their labels, test images, their labels."""
    return _digits


@pytest.fixture(scope="session")
def train():
    """Train a network by its own rule or by cross-entropy; return its accuracy on the test images."""

    def run(network, data, *, epochs=None, lr=None, batch_size=None, seed=0, after=None):
        module, recipe = network.module, network.recipe
        images, labels, test_images, test_labels = data
        rate = lr or recipe.lr
        if hasattr(module, "make_optimizer"):
            optimizer = module.make_optimizer(rate)
        else:
            kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[recipe.optimizer]
            optimizer = kind([p for p in module.parameters() if p.requires_grad], lr=rate)
        generator = torch.Generator().manual_seed(seed)
        module.train()
        for epoch in range(epochs or recipe.epochs):
            order = torch.randperm(len(labels), generator=generator)
            for rows in order.split(batch_size or recipe.batch_size):
                if isinstance(module, Learner):
                    module.learn(images[rows], labels[rows])
                else:
                    optimizer.zero_grad()
                    torch.nn.functional.cross_entropy(module(images[rows]), labels[rows]).backward()
                optimizer.step()
            if after is not None:
                after(epoch, module)
        module.eval()
        with torch.inference_mode():
            return float((module(test_images).argmax(1) == test_labels).float().mean())

    return run


@pytest.fixture(scope="session")
def heard():
    """Layers' outputs for a batch, each of which must have run once."""

    def run(module, images, layers):
        found: dict[str, torch.Tensor] = {}

        def keep(name):
            def hook(layer, inputs, output):
                assert name not in found, f"{name} ran more than once"
                found[name] = output

            return hook

        handles = [module.get_submodule(name).register_forward_hook(keep(name)) for name in layers]
        with torch.inference_mode():
            found["scores"] = module(images)
        for handle in handles:
            handle.remove()
        return found

    return run
