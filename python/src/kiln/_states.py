"""Saving and loading states: a folder that gets its name when it is complete."""

import os
import pickle
import random
import shutil
import sys

TORCH, PICKLE = "state.pt", "state.pickle"


def save(states, number, state, own):
    """Leaves the state after a step in the folder of states."""
    new = states / f".new-{number}"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    if own is not None:
        own(new)
    elif _is_own(state):
        state.save(new)
    else:
        _write(new, _parts(state))
    _write_random(new)
    os.rename(new, states / str(number))


def load(folder, state, own):
    """Puts a state that was saved back into the objects that it was taken from."""
    if own is not None:
        own(folder)
    elif _is_own(state):
        state.load(folder)
    else:
        _read(folder, _parts(state))
    _read_random(folder)


def _is_own(state):
    return not isinstance(state, dict) and callable(getattr(state, "save", None)) and callable(getattr(state, "load", None))


def _parts(state):
    if state is None:
        return {}
    return state if isinstance(state, dict) else {"state": state}


def _torch_like(part):
    return hasattr(part, "state_dict") and hasattr(part, "load_state_dict")


def _write(folder, parts):
    with_torch = {name: part.state_dict() for name, part in parts.items() if _torch_like(part)}
    if with_torch:
        import torch

        torch.save(with_torch, folder / TORCH)
    plain = {name: _taken(part) for name, part in parts.items() if not _torch_like(part)}
    if plain:
        # All in one, so that what they share stays shared.
        _dump(plain, folder / PICKLE)


def _read(folder, parts):
    if (folder / TORCH).exists():
        import torch

        for name, held in torch.load(folder / TORCH, map_location="cpu", weights_only=False).items():
            parts[name].load_state_dict(held)
    if (folder / PICKLE).exists():
        for name, held in _undump(folder / PICKLE).items():
            _put_back(name, parts[name], held)


def _taken(part):
    """What is kept of an object."""
    if isinstance(part, random.Random):
        return part.getstate()
    if hasattr(part, "bit_generator"):
        return part.bit_generator.state
    if hasattr(part, "get_state") and hasattr(part, "set_state"):
        return part.get_state()
    return part


def _put_back(name, part, held):
    if isinstance(part, random.Random):
        part.setstate(held)
    elif hasattr(part, "bit_generator"):
        part.bit_generator.state = held
    elif hasattr(part, "get_state") and hasattr(part, "set_state"):
        part.set_state(held)
    elif isinstance(part, dict):
        part.clear()
        part.update(held)
    elif isinstance(part, list):
        part[:] = held
    elif hasattr(part, "__dict__") and type(part) is type(held):
        part.__dict__.clear()
        part.__dict__.update(held.__dict__)
    else:
        raise TypeError(f"the state {name!r} is of the type {type(part).__name__}, into which nothing can be put back")


def _write_random(folder):
    """The random numbers of the modules that the script has loaded."""
    held = {"random": random.getstate()}
    if "numpy" in sys.modules:
        held["numpy"] = sys.modules["numpy"].random.get_state()
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        held["torch"] = torch.random.get_rng_state().numpy().tobytes()
        if torch.cuda.is_available():
            held["cuda"] = [state.cpu().numpy().tobytes() for state in torch.cuda.get_rng_state_all()]
    _dump(held, folder / "random.pickle")


def _read_random(folder):
    path = folder / "random.pickle"
    if not path.exists():
        return
    held = _undump(path)
    random.setstate(held["random"])
    if "numpy" in held:
        import numpy

        numpy.random.set_state(held["numpy"])
    if "torch" in held:
        import torch

        def tensor(state):
            return torch.frombuffer(bytearray(state), dtype=torch.uint8)

        torch.random.set_rng_state(tensor(held["torch"]))
        if "cuda" in held and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([tensor(state) for state in held["cuda"]])


def _dump(value, path):
    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=4)


def _undump(path):
    with open(path, "rb") as file:
        return pickle.load(file)
