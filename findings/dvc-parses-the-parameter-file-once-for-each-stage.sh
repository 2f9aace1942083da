#!/usr/bin/env bash
# DVC: a look at an unchanged pipeline parses the file of parameters once for each stage that takes one of them.
#
# Expected: dvc repro with nothing to do reads params.yaml once, and its time grows with the number of stages.
# Happens: Each stage with a parameter parses the whole file anew, in Python. A file that has a key or two for each stage grows with
#   them, so the time grows with their square.
# Seen: dvc 3.67.1, Python 3.11 on Debian 12, x86-64, in November 2026. A no-op of 100 stages took 6 s of processor time on that
#   machine, and one of 1,000 about 190 s.
# Matters: A study of a thousand variants waits for minutes to be told that there is nothing to do. Files of parameters by
#   stage, or one file for a group of stages, keep each parse short.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv --without-pip venv
python3 -m pip --python venv/bin/python install --quiet --no-compile --disable-pip-version-check --no-deps \
    aiohappyeyeballs==2.7.1 aiohttp==3.14.5 aiohttp-retry==2.9.1 aiosignal==1.4.0 amqp==5.4.2 annotated-types==0.8.0 \
    antlr4-python3-runtime==4.9.3 appdirs==1.4.4 asyncssh==2.24.1 atpublic==9.0.0 attrs==26.1.0 billiard==4.3.2 \
    celery==5.7.0 certifi==2026.10.19.post1 cffi==2.1.1 charset-normalizer==3.5.3 click==8.5.1 click-didyoumean==0.3.1 \
    click-plugins==1.1.1.2 click-repl==0.4.1 colorama==0.4.6 configobj==5.0.9 cryptography==50.0.2 dictdiffer==0.10.0 \
    diskcache==5.6.3 distro==1.9.0 dpath==2.2.0 dulwich==1.2.21 dvc==3.67.1 dvc-data==3.18.3 dvc-http==2.32.0 \
    dvc-objects==5.2.0 dvc-render==1.0.2 dvc-studio-client==0.23.0 dvc-task==0.40.2 entrypoints==0.4.2 filelock==4.3.1 \
    flatten-dict==0.5.0 flufl-lock==9.2.0 frozenlist==1.8.0 fsspec==2026.9.0 funcy==2.1 gitdb==4.0.12 gitpython==3.2.1 \
    grandalf==0.8 gto==1.10.1 hydra-core==1.3.8 idna==3.20 iterative-telemetry==0.0.10 kombu==5.7.0 \
    markdown-it-py==4.3.0 mdurl==0.1.2 multidict==7.2.1 networkx==3.6.1 omegaconf==2.3.1 orjson==3.13.0 \
    packaging==26.4 pathspec==1.1.1 platformdirs==4.14.8 prompt-toolkit==3.0.53 propcache==0.5.4 psutil==7.2.2 \
    pycparser==3.12 pydantic==2.14.4 pydantic-core==2.50.5 pydantic-settings==2.16.3 pydot==4.0.1 pygit2==1.21.0 \
    pygments==2.21.0 pygtrie==2.6.2 pyparsing==3.3.3 python-dateutil==2.9.0.post0 python-dotenv==1.2.4 pyyaml==6.0.4 \
    requests==2.34.2 rich==15.0.0 ruamel-yaml==0.19.1 scmrepo==3.6.2 semver==3.1.2 setuptools==84.2.1 \
    shortuuid==1.0.13 shtab==1.13.0 six==1.17.0 smmap==5.0.3 sqltrie==0.11.3 tabulate==0.10.0 tomlkit==0.15.2 \
    tqdm==4.70.1 typing-extensions==4.16.0 typing-inspection==0.4.5 tzlocal==5.4.5 urllib3==2.8.0 vine==5.1.0 \
    voluptuous==0.16.0 wcwidth==0.9.4 yarl==1.25.1 zc-lockfile==4.0

cat > check.py <<'EOF'
import collections
import os
import subprocess
import sys
import time
from importlib.metadata import version
os.environ.update(DVC_NO_ANALYTICS="1", PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
for place in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
    os.environ[f"DVC_{place}_DIR"] = os.path.abspath(".places/" + place)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("dvc", version("dvc"))

# Counts how often DVC parses each file of YAML, and runs DVC in this process.
from dvc.cli import main
from dvc.utils.serialize import _yaml
parsed = collections.Counter()
parse = _yaml.parse_yaml

def counted(text, path, *args, **kwargs):
    parsed[os.path.basename(str(path))] += 1
    return parse(text, path, *args, **kwargs)

_yaml.parse_yaml = counted

def look(stages):
    """Makes a pipeline whose stages take a parameter each; how often a look at it, unchanged, parses the file, and its seconds."""
    folder = f"project-{stages}"
    os.makedirs(folder)
    os.chdir(folder)
    with open("params.yaml", "w") as file:
        file.writelines(f"rate{n}: {n}\n" for n in range(stages))
    with open("dvc.yaml", "w") as file:
        file.write("stages:\n")
        for n in range(stages):
            file.write(f"  train{n}: {{cmd: echo {n} > model{n}, params: [rate{n}], outs: [model{n}]}}\n")
    subprocess.run(["git", "init", "--quiet"], check=True)
    check(main(["init", "--quiet"]) == 0, "dvc init succeeds")
    check(main(["repro", "--quiet"]) == 0, "dvc repro succeeds")
    parsed.clear()
    begun = time.process_time()
    check(main(["repro", "--quiet"]) == 0, "dvc repro with nothing to do succeeds")
    seconds = time.process_time() - begun
    os.chdir("..")
    return parsed["params.yaml"], seconds

for stages in (20, 80):
    times, seconds = look(stages)
    print(f"{stages} stages, nothing to do: params.yaml is parsed {times} times; {seconds:.1f} s of processor time")
    check(times >= stages, f"a look at {stages} stages parses params.yaml at least {stages} times, and not {times}")
EOF
venv/bin/python check.py
