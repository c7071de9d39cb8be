"""What a network costs: parameters, memory, sparsity and synaptic operations per stimulus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .._core.checks import did_you_mean
from .._core.errors import InputError
from ._images import check_count
from ._network import Network

if TYPE_CHECKING:
    import pandas as pd

# Where input and weight stand among the arguments.
_MAPS = {"linear", *(f"conv{n}d" for n in (1, 2, 3)), *(f"conv_transpose{n}d" for n in (1, 2, 3))}
_PRODUCTS = {"matmul", "__matmul__", "mm", "bmm", "mv"}
_CELLS = {"rnn_tanh_cell", "rnn_relu_cell", "gru_cell", "lstm_cell"}


_LEAST_BATCH = 4


@dataclass
class Operations:
    """Synaptic operations of one layer, per stimulus, all steps of time together.

    Attributes
    ----------
    effective_macs, effective_acs : float
        Products of a weight and an input that are both non-zero: multiply-accumulates where the input
        is graded, accumulates where it holds only -1, 0 and 1.
    dense : float
        The same if nothing were zero.
    runs : int
        How often the weights were used in a pass.
    """

    effective_macs: float = 0.0
    effective_acs: float = 0.0
    dense: float = 0.0
    runs: int = 0


@dataclass(frozen=True, eq=False)
class Footprint:
    """Size, sparsity and synaptic operations of a network, with the definitions of NeuroBench.

    Attributes
    ----------
    network : str
        Its name.
    n_stimuli : int
        Over how many stimuli activations and operations are averaged.
    n_parameters : int
        Trainable parameters.
    n_bytes : int
        Memory of all parameters and buffers.
    connection_sparsity : float
        Share of zeros among the weights that were used, in [0, 1]; NaN if none was.
    activation_sparsity : float
        Share of zeros in the output of all listened layers over stimuli and steps, in [0, 1].
    layer_sparsity : mapping of str to float
        The same for each layer.
    effective_macs, effective_acs, dense : float
        Synaptic operations per stimulus, see :class:`Operations`; NaN if none could be counted.
    layer_operations : mapping of str to Operations
        The same for each submodule that multiplies by weights.
    uncounted : tuple of str
        Parameters of two or more axes that no counted operation used as they stand: they belong to fused
        layers (``nn.LSTM``, ``nn.MultiheadAttention``), act through a function of theirs, or are not used.
    """

    network: str
    n_stimuli: int
    n_parameters: int
    n_bytes: int
    connection_sparsity: float
    activation_sparsity: float
    effective_macs: float
    effective_acs: float
    dense: float
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)
    layer_operations: Mapping[str, Operations] = field(default_factory=dict)
    uncounted: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row for the whole network (``layer`` empty), and one per layer."""
        import pandas as pd

        names = dict.fromkeys([*self.layer_sparsity, *self.layer_operations])
        runs = sum(each.runs for each in self.layer_operations.values())
        rows: list[dict[str, Any]] = [
            {
                "layer": "",
                "activation_sparsity": self.activation_sparsity,
                "effective_macs": self.effective_macs,
                "effective_acs": self.effective_acs,
                "dense": self.dense,
                "runs": runs,
            }
        ]
        for name in names:
            sparsity = {"layer": name, "activation_sparsity": self.layer_sparsity.get(name, nan)}
            operations = self.layer_operations.get(name)
            counts = vars(operations) if operations else dict.fromkeys(vars(Operations()), nan)
            rows.append(sparsity | counts)
        return pd.DataFrame(rows).assign(network=self.network)[["network", *rows[0]]]


def footprint(
    network: Network, inputs: Tensor, *, layers: Sequence[str] | None = None, batch_size: int = 32
) -> Footprint:
    """Measure a network's footprint on some stimuli.

    A synaptic operation is counted when a weight and its input are both non-zero, whether a layer or a
    function applies the weight (linear, convolution, matrix product with a parameter or buffer, recurrent
    cell). It is an accumulate when the whole input of that run holds only -1, 0 and 1 (spikes), and a
    multiply-accumulate otherwise. Steps of time add up. Biases, products of two activations (attention),
    pointwise gates and filters in the frequency domain are no synaptic operations.

    Parameters
    ----------
    network : Network
        Runs in evaluation mode; is left as it was, whatever happens.
    inputs : Tensor of shape (n_stimuli, ...)
        What its `preprocess` gives, stacked.
    layers : sequence of str, optional
        Submodules whose outputs count as activations; by default those the network declares.
    batch_size : int, default=32
        Stimuli per pass.

    Returns
    -------
    footprint : Footprint

    Raises
    ------
    InputError
        If there is no stimulus, or no such layer, or a layer does not run.

    References
    ----------
    Yik J, et al. (2025). The NeuroBench framework for benchmarking neuromorphic computing algorithms and
    systems. Nature Communications 16:1545. https://doi.org/10.1038/s41467-025-56739-4

    Examples
    --------
    >>> import torch
    >>> from alignkit.networks import build_network
    >>> footprint(build_network("pixels", {"size": 8}), torch.zeros(1, 3, 8, 8)).activation_sparsity
    1.0
    """
    check_count("batch_size", batch_size, least=1)
    if not isinstance(inputs, Tensor) or inputs.ndim < 2 or not len(inputs):
        shape = tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise InputError(f"`inputs` must be a tensor (n_stimuli, ...) of at least one stimulus, got {shape}.")
    module = network.module
    names = tuple(layers) if layers is not None else network.layers
    known = dict(module.named_modules())
    for name in names:
        if name not in known:
            raise InputError(f"{network.name!r} has no layer {name!r}, {did_you_mean(name, network.layers)}")
    counter = _Counter(module)
    zeros = dict.fromkeys(names, 0)
    sizes = dict.fromkeys(names, 0)

    def receive(name: str, output: Any) -> None:
        tensor = output if isinstance(output, Tensor) else output[0]
        zeros[name] += int((tensor == 0).sum())
        sizes[name] += tensor.numel()

    first = next(iter(module.state_dict().values()), None)
    # Networks that sum in a fixed order fill up smaller batches, and the filling would be counted.
    shown = inputs.repeat(-(-_LEAST_BATCH // len(inputs)), *(1,) * (inputs.ndim - 1))
    batches = torch.tensor_split(shown, max(1, len(shown) // max(batch_size, _LEAST_BATCH)))
    with _listening(module, names, receive, counter.stack), torch.no_grad(), counter:
        for batch in batches:
            module(batch if first is None else batch.to(first.device))
    silent = [name for name in names if not sizes[name]]
    if silent:
        raise InputError(f"the layer {silent[0]!r} of {network.name!r} does not run; choose others.")
    n_activations = sum(sizes.values())
    return Footprint(
        network=network.name,
        n_stimuli=len(inputs),
        n_parameters=network.n_parameters,
        n_bytes=sum(v.numel() * v.element_size() for v in (*module.parameters(), *module.buffers())),
        activation_sparsity=sum(zeros.values()) / n_activations if n_activations else nan,
        layer_sparsity={name: zeros[name] / sizes[name] for name in names},
        **counter.result(len(shown), len(batches)),
    )


class _Counter(TorchFunctionMode):
    """Sees every function that applies weights, and which submodule calls it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.operations: dict[str, Operations] = {}
        self.weights: dict[tuple[Any, ...], tuple[int, int]] = {}
        # By storage, so that a transposed or reshaped weight is known too.
        self.owners = {
            _storage(value): name.rpartition(".")[0]
            for name, value in (*module.named_buffers(), *module.named_parameters())
        }
        self.unseen = {name: _storage(value) for name, value in module.named_parameters() if value.ndim > 1}
        # The latest copy of a weight in another precision: kept alive, so that its place is not given away.
        self.copies: dict[tuple[int, torch.dtype], Tensor] = {}
        self.originals: dict[int, int] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in _MAPS:
            operands = self._named(args, kwargs, ("input", "weight"))
            # Without the bias; stride, padding and the like as they came.
            options = {key: value for key, value in (kwargs or {}).items() if key not in _OPERANDS}
            self._add(lambda x, w: func(x, w, None, *args[3:], **options), *operands)
        elif name in _CELLS:
            state = args[1][0] if name == "lstm_cell" else args[1]
            self._add(nn.functional.linear, args[0], args[2])
            self._add(nn.functional.linear, state, args[3])
        elif name in _PRODUCTS:
            self._product(func, *args[:2])
        elif name == "einsum" and len(args) == 3:
            self._product(lambda a, b: func(args[0], a, b), *args[1:])
        elif name in _CASTS and self._place(args[0]) in self.owners:
            self._remember(args[0], result)
        return result

    def result(self, n_stimuli: int, n_passes: int) -> dict[str, Any]:
        each = self.operations.values()
        for layer in each:
            layer.effective_macs /= n_stimuli
            layer.effective_acs /= n_stimuli
            layer.dense /= n_stimuli
            layer.runs //= n_passes
        n_zero, n_weights = (sum(pair[k] for pair in self.weights.values()) for k in (0, 1))
        return {
            "connection_sparsity": n_zero / n_weights if n_weights else nan,
            "effective_macs": sum(layer.effective_macs for layer in each) if each else nan,
            "effective_acs": sum(layer.effective_acs for layer in each) if each else nan,
            "dense": sum(layer.dense for layer in each) if each else nan,
            "layer_operations": self.operations,
            "uncounted": tuple(self.unseen),
        }

    def _named(self, args: tuple[Any, ...], kwargs: Any, names: tuple[str, ...]) -> list[Tensor]:
        return [args[k] if k < len(args) else kwargs[name] for k, name in enumerate(names)]

    def _product(self, func: Callable[..., Tensor], a: Tensor, b: Tensor) -> None:
        is_weight = [isinstance(v, Tensor) and self._place(v) in self.owners for v in (a, b)]
        if is_weight == [False, True]:
            self._add(func, a, b)
        elif is_weight == [True, False]:
            self._add(lambda x, w: func(w, x), b, a)

    def _place(self, value: Tensor) -> int:
        """Return the storage of a tensor, or of the weight that it is a copy of."""
        place = _storage(value)
        return self.originals.get(place, place)

    def _remember(self, weight: Tensor, copy: Tensor) -> None:
        original, place = self._place(weight), _storage(copy)
        # Copies of parts would lose where in the whole they were.
        if (
            place != _storage(weight)
            and weight.numel() * weight.element_size() == weight.untyped_storage().nbytes()
        ):
            former = self.copies.pop((original, copy.dtype), None)
            if former is not None:
                self.originals.pop(_storage(former), None)
            self.copies[original, copy.dtype] = copy
            self.originals[place] = original

    def _add(self, apply: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, weight: Tensor) -> None:
        used = self._place(weight)
        self.unseen = {name: place for name, place in self.unseen.items() if place != used}
        layer = self.owners.get(used, self.stack[-1] if self.stack else "")
        active, present = (inputs != 0).float(), (weight != 0).float()
        effective = float(apply(active, present).sum(dtype=torch.float64))
        counts = self.operations.setdefault(layer, Operations())
        counts.dense += float(
            apply(torch.ones_like(active), torch.ones_like(present)).sum(dtype=torch.float64)
        )
        counts.runs += 1
        if bool((inputs.abs() == active).all()):
            counts.effective_acs += effective
        else:
            counts.effective_macs += effective
        # A weight that is used at many steps is one set of connections, transposed or reshaped as it may be,
        # and each part of it is one. What is computed from weights anew has no place of its own.
        known = used in self.owners
        key = (used, weight.storage_offset(), weight.numel()) if known else (layer, weight.shape)
        self.weights.setdefault(key, (int((weight == 0).sum()), weight.numel()))


_OPERANDS = {"input", "weight", "bias"}
_CASTS = {"to", "type", "double", "float", "half", "bfloat16"}


def _storage(value: Tensor) -> int:
    try:
        return int(value.untyped_storage().data_ptr())
    except (NotImplementedError, RuntimeError):
        # Sparse and wrapped tensors have none.
        return -1


@contextmanager
def _listening(
    module: nn.Module, names: Sequence[str], receive: Callable[[str, Any], None], stack: list[str]
) -> Iterator[None]:
    """Hand on what layers give and keep `stack` at the submodules that run; take all hooks off again."""

    def enter(name: str) -> Callable[..., None]:
        return lambda *_: stack.append(name)

    def hear(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: receive(name, output)

    def leave(*_: Any) -> None:
        stack.pop()

    was_training = module.training
    with ExitStack() as undo:
        undo.callback(module.train, was_training)
        module.eval()
        for name, part in module.named_modules():
            undo.callback(part.register_forward_pre_hook(enter(name)).remove)
            undo.callback(part.register_forward_hook(leave, always_call=True).remove)
        for name in names:
            undo.callback(module.get_submodule(name).register_forward_hook(hear(name)).remove)
        yield
