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
    held = {name: part.state_dict() if _torch_like(part) else _taken(part) for name, part in parts.items()}
    if not held:
        return
    # All in one, so that what they share stays shared.
    if "torch" in sys.modules or any(map(_torch_like, parts.values())):
        import torch

        # Also of what is no tensor there may be some within, and a plain pickle of one holds the address where it lay.
        torch.save(held, folder / TORCH, pickle_protocol=4)
    else:
        _dump(held, folder / PICKLE)


def _read(folder, parts):
    if (folder / TORCH).exists():
        import torch

        held = torch.load(folder / TORCH, map_location="cpu", weights_only=False)
    elif (folder / PICKLE).exists():
        held = _undump(folder / PICKLE)
    else:
        return
    for name, value in held.items():
        if _torch_like(parts[name]):
            parts[name].load_state_dict(value)
        else:
            _put_back(parts, name, value)


def _taken(part):
    """What is kept of an object."""
    if isinstance(part, random.Random):
        return part.getstate()
    if hasattr(part, "bit_generator"):
        return part.bit_generator.state
    if hasattr(part, "get_state") and hasattr(part, "set_state"):
        return part.get_state()
    return part


def check(state, own):
    """Refuses what could be saved and not be put back: better before the first step than after a crash."""
    if own is not None or _is_own(state):
        return
    for name, part in _parts(state).items():
        if not _torch_like(part) and _way_back(part) is None and not (_is_value(part) and part is not state):
            advice = "Hand over a dict that has it, and change it there" if _is_value(part) else "Use save= and load="
            what = f"the state {name!r} is of the type {type(part).__name__}, into which nothing can be put back"
            raise TypeError(f"{what}. {advice}")


def _is_value(part):
    """Whether it never changes itself: another takes its place."""
    scalar = hasattr(part, "dtype") and hasattr(part, "item") and not hasattr(part, "__setitem__")
    return scalar or isinstance(part, (int, float, complex, str, bytes, tuple, frozenset, type(None)))


def _put_back(parts, name, held):
    way = _way_back(parts[name])
    if way is not None:
        way(held)
    else:
        parts[name] = held


def _way_back(part):
    """What puts a state that was saved back into an object; nothing if that cannot be."""
    if _is_value(part):
        return None
    if isinstance(part, random.Random):
        return part.setstate
    if hasattr(part, "bit_generator"):
        return lambda held: setattr(part.bit_generator, "state", held)
    if hasattr(part, "get_state") and hasattr(part, "set_state"):
        return part.set_state
    if hasattr(part, "detach") and hasattr(part, "copy_"):
        return lambda held: part.detach().copy_(held)
    if type(part).__name__ == "ndarray":
        return lambda held: _fill(part, held)
    if isinstance(part, (list, bytearray)):
        return lambda held: part.__setitem__(slice(None), held)
    if hasattr(part, "clear") and (hasattr(part, "update") or hasattr(part, "extend")):
        return lambda held: (part.clear(), (getattr(part, "update", None) or part.extend)(held))
    if hasattr(part, "__dict__"):
        return lambda held: _become(part, held)
    return None


def _fill(array, held):
    if array.shape != held.shape:
        raise ValueError(f"an array of the shape {held.shape} was saved, and now it has the shape {array.shape}")
    array[...] = held


def _become(part, held):
    if type(part) is not type(held):
        raise TypeError(f"a {type(held).__name__} was saved, and now there is a {type(part).__name__}")
    part.__dict__.clear()
    part.__dict__.update(held.__dict__)


_begun = {}
"""The states of the global random numbers when the steps began. What has not changed since is as the script makes it, and not kept: Python's and
NumPy's differ in every process unless they are seeded."""


def begin():
    """Remembers where the global random numbers are, before a state is put back."""
    _begun.update(_random())


def _random():
    """The states of the random numbers of the modules that the script has loaded."""
    held = {"random": random.getstate()}
    if "numpy" in sys.modules:
        name, keys, *rest = sys.modules["numpy"].random.get_state()
        held["numpy"] = (name, keys.tolist(), *rest)
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        held["torch"] = torch.random.get_rng_state().numpy().tobytes()
        if torch.cuda.is_available():
            held["cuda"] = [state.cpu().numpy().tobytes() for state in torch.cuda.get_rng_state_all()]
    return held


def _write_random(folder):
    held = {name: state for name, state in _random().items() if _begun.get(name) != state}
    _dump(held, folder / "random.pickle")


def _read_random(folder):
    path = folder / "random.pickle"
    if not path.exists():
        return
    held = _undump(path)
    # They count as changed from now on.
    for name in held:
        _begun.pop(name, None)
    if "random" in held:
        random.setstate(held["random"])
    if "numpy" in held:
        import numpy

        numpy.random.set_state(held["numpy"])
    if "torch" in held or "cuda" in held:
        import torch

        def tensor(state):
            return torch.frombuffer(bytearray(state), dtype=torch.uint8)

        if "torch" in held:
            torch.random.set_rng_state(tensor(held["torch"]))
        if "cuda" in held and torch.cuda.is_available():
            torch.cuda.set_rng_state_all([tensor(state) for state in held["cuda"]])


def _dump(value, path):
    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=4)


def _undump(path):
    with open(path, "rb") as file:
        return pickle.load(file)
