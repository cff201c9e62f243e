"""The models: `build_model` by name, each at its published shape, for any number of classes and input channels.

Plain PyTorch; the facts about them (sizes, what fits what) are in `engine.config.catalogue`, which needs no torch.
"""

from engine.models.build import BUILDERS, build_model
from engine.models.model_error import ModelError

__all__ = ["BUILDERS", "ModelError", "build_model"]
