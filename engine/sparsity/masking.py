"""`Masking`: holds the masks and all state that belongs to them.

It stands beside the optimizer and takes over its step:

    masking = Masking(model, optimizer, SparsityConfig(density=0.05), total_steps=97_750)
    for inputs, targets in batches:
        optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        masking.step()

Between updates a step is the optimizer's own and one in-place "and" of the weights with their masks; it never waits
for the device. Layers that are computed sparse hold no inactive weights and need no "and". An update lets weights die,
grows others, wipes what the optimizer remembered of both, and counts what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from engine.sparsity.coverage import Coverage, coverage_of
from engine.sparsity.distributions import check_room, fixed_counts
from engine.sparsity.evidence import Evidence
from engine.sparsity.execution import LayerExecution, summary
from engine.sparsity.gradients import GradientMask, clip_by_active_norm, looks_at_matrices
from engine.sparsity.initial import initial_masks
from engine.sparsity.layers import Layer, Modules, choose, matrix_users, module_list, parameters_by_name
from engine.sparsity.name_patterns import unknown_name
from engine.sparsity.norm_guards import guard_norms
from engine.sparsity.optimizer_state import group_of
from engine.sparsity.ranks import check_same_masks, from_rank_0, shared_seed
from engine.sparsity.schedules import SCHEDULES, gmp_density, is_update_step, update_steps
from engine.sparsity.signal_paths import is_perceptron
from engine.sparsity.sparse_layers import SparseLayers, all_dense
from engine.sparsity.sparse_linear import SparseLinear
from engine.sparsity.sparsity_config import SparsityConfig
from engine.sparsity.stats import Change, LayerStats, UpdateStats, summarise
from engine.sparsity.update import Updater


class Masking:
    """Keeps a network sparse while it trains, and moves its masks.

    Build it after the model is on its device and the optimizer exists; the weights are masked at once.

    Args:
        modules: The model, or several (a sequence or a mapping of names).
        optimizer: The torch.optim optimizer that holds all masked weights.
        config: What to do.
        total_steps: Optimizer steps of the whole training; the schedules run over it.
        initial_weights: Parameter name → tensor: the weights that `lottery_ticket` ranks and whose nonzeros `resume`
            takes as masks. None: the model's own. The model's values are not replaced by them.
        mask_gradients: Set the gradients of inactive weights to zero before each optimizer step. None: where the
            optimizer's step at one weight depends on the gradients of others (Adafactor, Muon). What grows is chosen
            by the dense gradients all the same.
        execution: How the layers are computed. `masked`: with their zeros. `sparse`: linear layers on the CPU are
            stored and computed by their active weights alone (`engine.sparsity.sparse_linear`); others stay masked.
            `auto`: each layer in the way that is measured to be faster here. The same weights are active either way.
            An average of weights over time needs masked layers.
        batch_size: Samples in a batch, for `auto`'s measurements.

    Raises:
        ValueError: The configuration does not fit the model or the length of training.
    """

    def __init__(
        self,
        modules: Modules,
        optimizer: Optimizer,
        config: SparsityConfig,
        *,
        total_steps: int,
        initial_weights: Mapping[str, Tensor] | None = None,
        mask_gradients: bool | None = None,
        execution: str = "masked",
        batch_size: int = 128,
    ) -> None:
        self.optimizer = optimizer
        self.config = config
        self.total_steps = total_steps
        self._steps = 0
        self.updates = 0
        if isinstance(optimizer, torch.optim.LBFGS):
            why = "it searches along a line through all weights at once, inactive ones too"
            raise ValueError(f"optimizer: LBFGS cannot train a masked network: {why}.")  # noqa: TRY004 - a wrong choice
        all_dense(modules, optimizer)
        chosen = choose(modules, config)
        maskable, self._dense = chosen.maskable, tuple(chosen.dense)
        for one in maskable:
            if group_of(optimizer, one.parameter) is None:
                raise ValueError(f"optimizer: it does not hold {one.name}; give it to the optimizer or exclude it.")
        if config.distribution == "gmp" and not update_steps(config, total_steps):
            raise ValueError(
                f"update_frequency: {config.update_frequency} leaves gmp no update in {total_steps} steps to prune at."
            )
        self._generator = torch.Generator("cpu")
        self._generator.manual_seed(shared_seed(config.seed))
        masks = [from_rank_0(mask) for mask in initial_masks(maskable, config, self._generator_on, initial_weights)]
        self._layers = [
            Layer(
                name=one.name,
                position=position,
                parameter=one.parameter,
                geometry=one.geometry,
                mask=mask,
                explored=mask.clone(),
                first=mask.clone(),
                active=mask.nonzero().view(-1),
                fresh=torch.empty(0, dtype=torch.int64, device=mask.device),
                nonzeros=0,
                explored_count=0,
            )
            for position, (one, mask) in enumerate(zip(maskable, masks, strict=True))
        ]
        self.maskable = sum(layer.size for layer in self._layers)
        for layer in self._layers:
            layer.nonzeros = layer.explored_count = layer.active.numel()
        self._first_nonzeros = [layer.nonzeros for layer in self._layers]
        self._perceptron = is_perceptron(modules, self._layers)
        fixed = self._fixed_layers()
        self._updater = Updater(self._layers, config, optimizer, fixed, self._generator_on)
        self._put_off = False  # an update is due and waits for gradients that can be read
        self._gradients = GradientMask(self._layers)
        self._hides_gradients = looks_at_matrices(optimizer) if mask_gradients is None else mask_gradients
        self._evidence = Evidence(
            self._layers, optimizer, config, self._gradients, masked_gradients=self._hides_gradients
        )
        for module in module_list(modules):
            guard_norms(module)
        self._sparse = SparseLayers(
            modules,
            maskable,
            self._layers,
            optimizer,
            execution=execution,
            batch_size=batch_size,
            reads_momentum=self._evidence.reads_momentum,
        )
        self._keep: list[Tensor] = []
        self._kept: list[Tensor] = []
        self._renew_keepers()
        self.apply()
        self._expect()
        unchanged = [Change(one, one.nonzeros, one.fresh, one.fresh, one.fresh) for one in self._layers]
        self._stats = self._summarise(unchanged, death_rate=self.death_rate)

    # What there is to read. None of it asks the device for anything.

    @property
    def steps(self) -> int:
        """Optimizer steps made so far; may be set, for a training that begins later in its schedules."""
        return self._steps

    @steps.setter
    def steps(self, steps: int) -> None:
        self._steps = steps
        self._expect()

    @property
    def execution(self) -> dict[str, LayerExecution]:
        """How each layer is computed: parameter name → masked or sparse, the measured ratio, and why."""
        return dict(self._sparse.ways)

    @property
    def execution_summary(self) -> str:
        """How the layers are computed, in one line."""
        return summary(self._sparse.ways)

    @property
    def masks(self) -> dict[str, Tensor]:
        """The masks: parameter name → bool tensor of its shape, True where a weight is active."""
        return {layer.name: layer.mask.view(layer.shape) for layer in self._layers}

    @property
    def explored(self) -> dict[str, Tensor]:
        """Parameter name → bool tensor, True where a weight is or ever was active."""
        return {layer.name: layer.explored.view(layer.shape) for layer in self._layers}

    @property
    def first_masks(self) -> dict[str, Tensor]:
        """The masks that training began with."""
        return {layer.name: layer.first.view(layer.shape) for layer in self._layers}

    @property
    def nonzeros(self) -> int:
        """Number of active weights."""
        return sum(layer.nonzeros for layer in self._layers)

    @property
    def density(self) -> float:
        """Active weights as a share of all maskable ones."""
        return self.nonzeros / self.maskable

    @property
    def coverage(self) -> Coverage:
        """The matrices that stay dense, their share of all matrix weights, and the density over all of those."""
        return coverage_of(((layer.shape, layer.nonzeros) for layer in self._layers), self._dense)

    def __repr__(self) -> str:
        masked = f"{len(self._layers)} layers, {self.nonzeros:,} of {self.maskable:,} maskable weights active"
        return f"Masking({masked}, density {self.density:.4g}; {self.coverage})"

    @property
    def next_step_reads_gradients(self) -> bool:
        """Whether the next step's update ranks weights by their gradients, those of inactive ones too."""
        return self._evidence.reads_gradients and self._is_due(self.steps + 1)

    def _is_due(self, step: int) -> bool:
        """Says whether masks are to be updated after a step: by the schedule, or as an update was put off."""
        late = self._put_off and step < self.total_steps
        return late or is_update_step(self.config, step, self.total_steps)

    def masks_by_parameter(self) -> dict[int, Tensor]:
        """Returns the masks, flat, by the `id` of the parameter: for what meets parameters without their names."""
        return {id(layer.parameter): layer.mask for layer in self._layers}

    @property
    def at_final_density(self) -> bool:
        """Whether the network is as sparse as it is to be at the end: at once, but for `gmp`, which starts dense."""
        return self.config.distribution != "gmp" or self.nonzeros <= round(self.config.density * self.maskable)

    @property
    def itop_rate(self) -> float:
        """R_s, the in-time over-parameterisation rate: the share of all maskable weights that is or ever was active."""
        return sum(layer.explored_count for layer in self._layers) / self.maskable

    @property
    def death_rate(self) -> float:
        """ζ as the schedule has it after the steps made so far; 0 where masks are never updated."""
        if not self.config.updates_masks:
            return 0.0
        return SCHEDULES[self.config.schedule](self.config.death_rate, self.steps, self.total_steps)

    @property
    def stats(self) -> UpdateStats:
        """What the latest update did; before the first one, the first mask as update 0."""
        return self._stats

    def layer_stats(self) -> list[LayerStats]:
        """Returns what the latest update did, layer by layer."""
        return list(self._stats.layers)

    # Training.

    def step(
        self,
        closure: Callable[[], Any] | torch.amp.GradScaler | None = None,
        *,
        scaler: torch.amp.GradScaler | None = None,
    ) -> UpdateStats | None:
        """Makes one optimizer step, keeps the masks, and updates them where that is due.

        An update whose rules read gradients or momenta is put off where a scaler skips its step: gradients that
        overflowed rank nothing. It is made after the next step that is not skipped, `last_update` or not, as long as
        one is left to train what grows; one that is due by then is the same.

        Args:
            closure: What the optimizer's own `step` takes: it computes the loss and its gradients again and returns the
                loss. A scaler may be given in its place.
            scaler: Gradient scaler of mixed precision: its `step` then makes the optimizer's. As in any such loop the
                caller calls `scaler.update()` afterwards, once for all optimizers.

        Returns:
            What the update did, or None where none was due.

        Raises:
            ValueError: A closure and a scaler are given, which torch's scaler does not support.
        """
        if isinstance(closure, torch.amp.GradScaler):
            closure, scaler = None, closure
        if closure is not None and scaler is not None:
            raise ValueError("closure: torch's gradient scaler takes none; call step with one or the other.")
        self._sparse.settle()
        if self._hides_gradients:
            if closure is not None:
                raise ValueError("closure: gradients that it computes again cannot be masked; call step without it.")
            self._gradients.hide(keep=self._evidence.follows or self._evidence.reads_gradients)
        if scaler is not None:
            self._sparse.unscaled(scaler)
        elif closure is None and self._sparse.keeps:
            self._gradients.keep()
        if scaler is not None:
            scaler.step(self.optimizer)
        elif closure is not None:
            self.optimizer.step(closure)
        else:
            self.optimizer.step()
        self._steps += 1
        if self._evidence.follows:
            self._evidence.follow(scaled=scaler is not None)
        self.apply()
        update = self._update_if_due(scaled=scaler is not None)
        self._gradients.forget()
        self._expect()
        return update

    def expect_update(self) -> None:
        """Says that `update` is called after the next backward pass, where the schedule does not say so.

        Only layers that are computed sparse need to know: their backward passes keep what dense gradients are computed
        from.
        """
        self._sparse.keep(self._evidence.reads_gradients)

    def _expect(self) -> None:
        """Lets sparse layers keep what the dense gradients of a coming update are computed from, and of no other."""
        self._sparse.keep(self.next_step_reads_gradients)

    def _update_if_due(self, *, scaled: bool) -> UpdateStats | None:
        if not self._is_due(self.steps):
            return None
        if scaled and not self._evidence.readable():
            self._put_off = True
            return None
        return self.update()

    def clip_grad_norm_(self, parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
        """Clips gradients by the norm that the sparse network's have; `torch.nn.utils.clip_grad_norm_` counts all.

        The gradients of inactive weights are scaled with the others and do not count. Call it after backward() (and
        after a scaler's `unscale_`). Of clipping by other means sparse layers know nothing, and an update then ranks
        weights that just died by clipped gradients and others by what backward gave.

        Args:
            parameters: What to clip, as a rule `model.parameters()`.
            max_norm: The largest 2-norm.

        Returns:
            The norm before clipping, a tensor of one element.
        """
        norm = clip_by_active_norm(self._layers, parameters, max_norm)
        if self._sparse.keeps and self._sparse.any_sparse:
            self._sparse.scale(min(1.0, max_norm / (float(norm) + 1e-6)))  # as torch's own
        return norm

    @torch.no_grad()
    def apply(self) -> None:
        """Sets every inactive weight to zero, in place, whatever it was: infinite and NaN ones too."""
        self._sparse.settle()
        for weight, bits in zip(self._kept, self._keep, strict=True):
            weight.detach().view(bits.dtype).bitwise_and_(bits)

    @torch.no_grad()
    def apply_to(self, modules: Modules) -> None:
        """Masks a copy of the model by the masks as they are, in place.

        An average of weights over time (`torch.optim.swa_utils.AveragedModel`, or a copy of your own that follows the
        model) keeps a part of every weight that was active once, and so is denser than the model. This gives it the
        model's density:

            averaged.update_parameters(model)   # as often as is wished
            masking.apply_to(averaged)          # before it is evaluated or saved

        Where masks move, apply it after each update of the average too, so that weights which grow again do not start
        from an old value. Batch norm's figures are those of other weights then: `torch.optim.swa_utils.update_bn`.

        Args:
            modules: A model with the same parameters, also within an `AveragedModel`, `torch.compile` or DDP; several
                as they were given to this object.

        Raises:
            ValueError: A masked parameter is missing, or has another shape; nothing was changed.
        """
        theirs = parameters_by_name(modules)
        users = matrix_users(modules)
        copies = {}
        for layer in self._layers:
            if layer.name not in theirs:
                raise unknown_name("modules", layer.name, theirs)
            parameter = theirs[layer.name]
            module = users[id(parameter)][0][0]
            shape = module.shape if isinstance(module, SparseLinear) else tuple(parameter.shape)
            if shape != layer.shape:
                shapes = f"{shape}, and the model's is {layer.shape}"
                raise ValueError(f"modules: the shape of {layer.name} is {shapes}.")
            copies[layer.name] = module
        for module in module_list(modules):
            guard_norms(module)
        for layer in self._layers:
            copy = copies[layer.name]
            if isinstance(copy, SparseLinear):
                copy.move(layer.active, None)
                continue
            weight = theirs[layer.name].detach()
            weight.masked_fill_(~layer.mask.view(layer.shape).to(weight.device), 0.0)

    @torch.no_grad()
    def update(self) -> UpdateStats:
        """Prunes and grows once, now, whatever the schedule says of this step.

        Returns:
            What changed.

        Raises:
            RuntimeError: A rule reads gradients or momenta, and no layer has any; or ranks have different masks.
        """
        self._evidence.provide(expected=self._sparse.keeps)
        before = self.nonzeros
        if self.config.distribution == "gmp":
            end = update_steps(self.config, self.total_steps)[-1]
            counts = self._updater.gmp_counts(gmp_density(self.config.density, self.steps, end))
        else:
            counts = self._updater.regular_counts(self.death_rate)
        changes = self._updater.prune_and_grow(counts)
        self._evidence.withdraw()
        self.updates += 1
        self._put_off = False
        self._sparse.after_update()
        self._renew_keepers()
        # gmp has no death rate: the share that it took stands in for one.
        rate = 1 - self.nonzeros / before if self.config.distribution == "gmp" else self.death_rate
        self._stats = self._summarise(changes, death_rate=rate)
        for layer, result in zip(self._layers, self._stats.layers, strict=True):
            layer.explored_count = result.explored
        self._gradients.forget()
        check_same_masks(self._layers, f"after update {self.updates} (step {self.steps})")
        return self._stats

    def _renew_keepers(self) -> None:
        """Brings the masks into the form in which `apply` is fastest; dense layers need none."""
        sparse = [layer for layer in self._layers if layer.room and layer.sparse is None]
        self._kept = [layer.parameter for layer in sparse]  # not detached: a model that is moved must be noticed
        self._keep = [_bits(weight, layer.mask) for weight, layer in zip(self._kept, sparse, strict=True)]

    def _summarise(self, changes: list[Change], *, death_rate: float) -> UpdateStats:
        return summarise(
            changes,
            self._first_nonzeros,
            update=self.updates,
            step=self.steps,
            death_rate=death_rate,
            perceptron=self._perceptron,
        )

    def _fixed_layers(self) -> dict[int, int]:
        """Returns the layers whose number of active weights the user fixed; checks that gmp can reach its end."""
        if self.config.distribution == "resume":
            return {}
        sizes = [layer.size for layer in self._layers]
        fixed = fixed_counts([layer.name for layer in self._layers], sizes, self.config)
        if self.config.distribution == "gmp":
            total, held = round(self.config.density * self.maskable), sum(fixed.values())
            check_room(total - held, self.maskable - held, total, fixed, self.config)
        return fixed

    def _generator_on(self, device: torch.device) -> torch.Generator:
        """Returns the generator to draw with on a device.

        The one that is remembered lives on the CPU, so that a checkpoint fits any device; elsewhere each draw uses a
        generator seeded from it.
        """
        if device.type == "cpu":
            return self._generator
        seed = int(torch.randint(2**63 - 1, (), generator=self._generator, device="cpu"))
        return torch.Generator(device).manual_seed(seed)

    # Checkpoints.

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a continuation needs, as tensors, numbers and strings (loads with `weights_only=True`)."""
        return {
            "version": 1,
            "steps": self.steps,
            "updates": self.updates,
            "put_off": self._put_off,
            "masks": {name: mask.clone() for name, mask in self.masks.items()},
            "explored": {name: mask.clone() for name, mask in self.explored.items()},
            "first_masks": {name: mask.clone() for name, mask in self.first_masks.items()},
            "fresh": {layer.name: layer.fresh.clone() for layer in self._layers},
            "momentum": self._evidence.state_dict(),
            "generator": self._generator.get_state(),
            "stats": self._stats.as_dict(),
            "execution": self._sparse.state_dict(),
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Loads a state; training then continues bit for bit as it would have there.

        Load the model's and the optimizer's own state as well. The configuration and `total_steps` are not part of
        the state: schedules use those given to this object.

        Raises:
            ValueError: The state belongs to other layers, or to another version.
        """
        if state.get("version") != 1:
            raise ValueError(f"masking state: version {state.get('version')!r} is not 1, the one this program reads.")
        shapes = {layer.name: layer.shape for layer in self._layers}
        stored = {name: tuple(mask.shape) for name, mask in state["masks"].items()}
        if stored != shapes:
            odd = sorted(name for name in {*stored, *shapes} if stored.get(name) != shapes.get(name))
            raise ValueError(f"masking state: it does not fit the model's masked layers; different: {', '.join(odd)}.")
        for layer in self._layers:
            layer.mask.copy_(state["masks"][layer.name].view(-1))
            layer.explored.copy_(state["explored"][layer.name].view(-1))
            layer.first.copy_(state["first_masks"][layer.name].view(-1))
            layer.fresh = state["fresh"][layer.name].to(layer.mask.device, copy=True)
            layer.active = layer.mask.nonzero().view(-1)
            layer.nonzeros = layer.active.numel()
            layer.explored_count = int(layer.explored.sum())
        self._first_nonzeros = [int(layer.first.sum()) for layer in self._layers]
        self._evidence.load_state_dict(state["momentum"])
        self.steps = int(state["steps"])
        self.updates = int(state["updates"])
        self._put_off = bool(state.get("put_off", False))  # older states do not have it
        self._generator.set_state(state["generator"].cpu())
        self._stats = UpdateStats.from_dict(state["stats"])
        self._sparse.load_state_dict(state.get("execution", {}))  # older states do not have it
        for layer in self._layers:
            if layer.sparse is not None:
                layer.sparse.move(layer.active, self.optimizer)
        self._renew_keepers()
        self.apply()
        self._expect()


def _bits(weight: Tensor, mask: Tensor) -> Tensor:
    """Returns a mask as whole numbers of the weight's size and layout: all bits set where active, none elsewhere.

    The bitwise "and" with a weight's own bits takes as long as a product with zeros and ones, and leaves exactly +0
    where a product would make a NaN of an infinite weight.
    """
    whole = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}[weight.element_size()]
    return torch.empty_like(weight, dtype=whole, requires_grad=False).copy_(mask.view(weight.shape)).neg_()
