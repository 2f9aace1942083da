#!/usr/bin/env bash
# DVC: a model folder comes back from the cache without its empty folders, and its programs cannot be executed.
#
# Expected: dvc checkout puts an output back as the stage left it. Of a single file DVC keeps that it is executable.
# Happens: Of a folder only names and contents of files are kept. Folders that are empty are gone, and a script that
#   was executable is not. dvc status says that all is up to date, so nothing runs the stage again. The first run
#   itself takes no harm, so the difference is seen only on another machine.
# Seen: dvc 3.67.1, Python 3.11 on Debian 12, x86-64, in November 2026.
# Matters: A saved model with a serving script, an environment, or a folder that has to be there (TensorFlow's
#   SavedModel has assets/ and may have nothing in it) works where it was made, and not where it was pulled.
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
import pathlib
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

def dvc(*args):
    done = subprocess.run([sys.executable, "-m", "dvc", *args], capture_output=True, text=True)
    check(done.returncode == 0, f"dvc {' '.join(args)} succeeds: {done.stderr}")
    return done.stdout

write = lambda path, text: pathlib.Path(path).write_text(text)
read = lambda path: pathlib.Path(path).read_text()
dvc("init", "--no-scm", "--quiet")

import shutil

write("train.py", """import os, pathlib
folder = pathlib.Path("model")
(folder / "assets").mkdir(parents=True)
(folder / "weights.txt").write_text("1 2 3")
for script in (folder / "serve.sh", pathlib.Path("alone.sh")):
    script.write_text("#!/bin/sh\\necho serving\\n")
    script.chmod(0o755)
""")
write("dvc.yaml", f"""
stages:
  train:
    cmd: {sys.executable} train.py
    deps: [train.py]
    outs: [model, alone.sh]
""")
dvc("repro")
runs = lambda path: os.access(path, os.X_OK)
seen = lambda: {"assets/": os.path.isdir("model/assets"), "serve.sh runs": runs("model/serve.sh"), "alone.sh runs": runs("alone.sh")}
print("as the stage left it:", seen())
check(all(seen().values()), "the stage leaves all of it")
shutil.rmtree("model")
os.unlink("alone.sh")
dvc("checkout")
print("as it comes back:    ", seen())
check(seen() == {"assets/": False, "serve.sh runs": False, "alone.sh runs": True}, "only the single file is as it was")
status = dvc("status")
print("dvc status:", status.strip())
check("up to date" in status, "nothing is said")
EOF
venv/bin/python check.py
