#!/usr/bin/env bash
# DVC: the name of a parameter is a pattern, so it can mean another key than its own.
#
# Expected: a stage with the parameter "rate[0]" depends on the key rate[0]; a stage with "moon*" goes on working when a key is added.
# Happens: Each part of a name is matched as in a shell. "rate[0]" means the key rate0: the lock has that key's value under the name rate[0],
#   and an edit of rate[0] leaves everything up to date. "moon*" means moon1 while that is the only one; with a second key that fits, status and
#   repro end with an unexpected error.
# Seen: dvc 3.67.1 with dpath 2.2.0, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A model is taken for the product of a parameter that it never saw. Keys without *, ? and brackets are safe.
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
import os
import subprocess
import sys
from importlib.metadata import version
os.environ.update(DVC_NO_ANALYTICS="1", PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"])
for place in ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"):
    os.environ[f"DVC_{place}_DIR"] = os.path.abspath(".places/" + place)

def check(holds, what):
    if not holds:
        sys.exit(f"CHANGED: {what}")

print("dvc", version("dvc"), "dpath", version("dpath"))

def dvc(*words):
    """The exit code of DVC and all that it said."""
    ran = subprocess.run([sys.executable, "-m", "dvc", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return ran.returncode, ran.stdout.strip()

def write(name, text):
    with open(name, "w") as file:
        file.write(text)

def project(name, parameter, params):
    """Goes into a new project of one stage with a parameter, which has run; the text of its lock."""
    os.makedirs(name)
    os.chdir(name)
    write("params.yaml", params)
    write("dvc.yaml", f"stages:\n  train: {{cmd: echo x > model, params: ['{parameter}'], outs: [model]}}\n")
    check(dvc("init", "--quiet", "--no-scm")[0] == 0, "dvc init succeeds")
    check(dvc("repro", "--quiet")[0] == 0, "dvc repro succeeds")
    with open("dvc.lock") as file:
        return file.read()

lock = project("brackets", "rate[0]", '"rate[0]": 1\nrate0: 5\n')
print("rate[0] is 1 and rate0 is 5; the lock:", next(line.strip() for line in lock.splitlines() if "rate" in line))
check("rate[0]: 5" in lock, "the lock has the value of rate0 under the name rate[0]")
write("params.yaml", '"rate[0]": 2\nrate0: 5\n')
_, said = dvc("status")
print("rate[0] is edited:", said)
check("up to date" in said, "an edit of rate[0] leaves everything up to date")
write("params.yaml", '"rate[0]": 2\nrate0: 6\n')
_, said = dvc("status")
check("rate[0]" in said, "an edit of rate0 is told as one of rate[0]")
os.chdir("..")

lock = project("star", "moon*", "moon1: 1\n")
check("moon*: 1" in lock, "the lock has the value of moon1 under the name moon*")
write("params.yaml", "moon1: 1\nmoon2: 2\n")
code, said = dvc("status")
print("a second key fits:", said.splitlines()[0])
check(code != 0 and "must match only one leaf" in said, "a second key that fits ends status with an error")
EOF
venv/bin/python check.py
