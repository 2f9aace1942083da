"""What a stage of a Kiln pipeline needs in Python: its values, its files, its metrics and its states.

A script that uses this runs as well without Kiln. Then nothing is resumed, and values and paths are those of the pipeline file.
"""

import json
import os
import signal
import threading
from pathlib import Path

from . import _outside, _states

__all__ = ["inputs", "keep", "log", "outputs", "params", "resume", "resume_folder", "step", "steps"]


class Params(dict):
    """The values of a stage, by name and as attributes."""

    def __getattr__(self, name):
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(f"the stage has no value {name!r}; it has: {', '.join(self) or 'none'}") from None
        return Params(value) if isinstance(value, dict) else value


def params(**defaults):
    """The values under `with:` of the stage. Those it does not have are taken from `defaults`."""
    path = os.environ.get("KILN_PARAMS")
    if path:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
    else:
        values = {} if _inside() else _outside.stage().get("with", {})
    return Params({**defaults, **values})


class _Files:
    def __init__(self, kind):
        self._kind = kind
        self._known = None

    def _all(self):
        if self._known is None:
            text = os.environ.get(f"KILN_{self._kind.upper()}")
            if text is None:
                self._known = _outside.stage().get(self._kind, {})
            elif text.startswith("@"):
                with open(text[1:], encoding="utf-8") as file:
                    self._known = json.load(file)
            else:
                self._known = json.loads(text)
        return self._known

    def all(self, name):
        """The paths of one that has any number of them."""
        try:
            found = self._all()[name]
        except KeyError:
            known = ", ".join(self._all()) or "none"
            where = "" if _inside() else f". {_outside.why()}"
            raise KeyError(f"the stage has no {self._kind[:-1]} {name!r}; it has: {known}{where}") from None
        paths = found if isinstance(found, list) else [found]
        return [Path(path) for path in paths]

    def __getitem__(self, name):
        """The path of one that has a single one."""
        paths = self.all(name)
        if len(paths) != 1:
            raise ValueError(f"{self._kind[:-1]} {name!r} has {len(paths)} paths: use kiln.{self._kind}.all({name!r})")
        if self._kind == "outputs":
            paths[0].parent.mkdir(parents=True, exist_ok=True)
        return paths[0]

    def __contains__(self, name):
        return name in self._all()

    def __iter__(self):
        return iter(self._all())


inputs = _Files("inputs")
"""The paths of the stage's inputs: `kiln.inputs["data"]`, and `kiln.inputs.all("parts")` where there are several."""

outputs = _Files("outputs")
"""The paths where the stage writes its outputs: `kiln.outputs["model"]`."""

_now = {"step": None, "metrics": None}


def step():
    """The step that is under way, from 1; `None` before the first."""
    return _now["step"]


def steps(total, state=None, *, save=None, load=None, every=1):
    """Loops over the steps from the first that is not done yet to `total`, and keeps the state after each.

    `state` is what a step changes: an object, or a dict of objects by name. See the README for what they may be. `save(folder)`
    and `load(folder)` are called in its place. The states of Python's, NumPy's and PyTorch's random numbers are kept beside.
    """
    _states.check(state, save)
    for number in range(resume(state, load=load) + 1, total + 1):
        _now["step"] = number
        yield number
        keep(number, state if number % every == 0 or number == total else _NOTHING, save=save)


def resume(state=None, *, load=None):
    """Puts the newest state back and returns the number of its step; 0 if there is none.

    With `keep` for programs that loop themselves, such as those with callbacks. `steps` does both.
    """
    _states.begin()
    folder = resume_folder()
    if folder is not None:
        _states.load(folder, state, load)
    if os.environ.get("KILN_STATES"):
        _asked_to_leave()
    return int(os.environ.get("KILN_STEP") or 0)


def resume_folder():
    """The folder of the newest state, for programs that read it themselves; `None` if there is none."""
    path = os.environ.get("KILN_RESUME")
    return Path(path) if path else None


_NOTHING = object()


def keep(step, state=None, *, save=None):
    """Keeps the state after a step, and leaves if Kiln has asked to."""
    _now["step"] = step
    folder = os.environ.get("KILN_STATES")
    if folder and state is not _NOTHING:
        _states.check(state, save)
        _states.save(Path(folder), step, state, save)
    if _asked.is_set():
        raise SystemExit(128 + signal.SIGTERM)


def log(step=None, **numbers):
    """Tells how far the stage is and how well it does: `kiln.log(loss=0.1)`. The step is the one under way unless it is named."""
    step = _now["step"] if step is None else step
    line = {} if step is None else {"step": step}
    line.update((name, _number(value)) for name, value in numbers.items())
    file = _metrics()
    if file:
        with open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def _number(value):
    """A plain number: those of NumPy and PyTorch are objects."""
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, (bool, int)) else float(value)


def _metrics():
    if _now["metrics"] is None:
        path = os.environ.get("KILN_METRICS", "")
        if not path and not _inside():
            path = _outside.metrics() or ""
            if path:
                # Nothing goes on outside: it begins anew.
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                open(path, "w").close()
        _now["metrics"] = path
    return _now["metrics"]


def _inside():
    return "KILN_OUTPUTS" in os.environ


_asked = threading.Event()


def _asked_to_leave():
    """From now on the step under way is finished first when Kiln asks to leave, if the time of grace allows."""
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: _asked.set())
