"""Custom models, by `package.module:function` or `path/to/file.py:function`."""

from __future__ import annotations

from dataclasses import asdict

import torch
from torch import nn

from engine.config.user_calls import ReferenceProblem, accepted, describe, user_code
from engine.config.user_imports import import_function
from engine.models.model_error import ModelError
from engine.models.shape import InputShape

__all__ = ["build_user_model"]


def build_user_model(reference: str, shape: InputShape) -> nn.Module:
    """Call the user's function and check that what it returns accepts such images.

    It is called with those of `classes`, `channels`, `height` and `width` that it accepts. Two blank images are sent
    through the module once, in evaluation mode; this gives lazy layers their shapes and weights.

    Raises:
        ModelError: when it cannot be imported or called, ends the process, returns no module, or the module does not
            return one row of `classes` logits for each image.
    """
    try:
        function = import_function(reference)
        with user_code(reference):
            model = function(**accepted(function, asdict(shape)))
    except ReferenceProblem as problem:
        raise ModelError(f"model {reference!r}: {problem}") from problem.__cause__
    except Exception as error:  # the function is the user's: anything can happen in it
        raise ModelError(f"model {reference!r}: calling it failed with {describe(error)}") from error
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"model {reference!r}: it returned an object of type {type(model).__name__}, not a torch.nn.Module"
        )
    _check_output(reference, model, shape)
    return model


def _check_output(reference: str, model: nn.Module, shape: InputShape) -> None:
    size = (shape.channels, shape.height, shape.width)
    where = next((tensor.device for tensor in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    was_training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), user_code(reference):
            output = model(torch.zeros(2, *size, device=where))
    except ReferenceProblem as problem:
        raise ModelError(f"model {reference!r}: {problem}") from problem.__cause__
    except Exception as error:
        given = "×".join(str(side) for side in size)
        raise ModelError(f"model {reference!r}: it does not take images of {given}: {describe(error)}") from error
    finally:
        for module, training in was_training.items():
            module.training = training
    if not isinstance(output, torch.Tensor):
        raise ModelError(
            f"model {reference!r}: it answers an object of type {type(output).__name__}, not one tensor of logits"
        )
    if tuple(output.shape) != (2, shape.classes):
        raise ModelError(
            f"model {reference!r}: for 2 images it answers shape {tuple(output.shape)}, "
            f"not {(2, shape.classes)} (one logit for each of {shape.classes} classes)"
        )
