"""Whether an installed wheel is whole: what is in it, how large it is, how long its import takes, and that its commands run.

Run by `cargo xtask wheel` with the interpreter of a fresh venv; needs nothing but the wheel.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import metadata
from pathlib import Path

from importing import IMPORT_MS_MAX, import_ms

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(command: list[str], path: str, wanted: str) -> float:
    """Starts a server of the wheel, asks it, ends it; seconds until it answered."""
    port = free_port()
    started = time.perf_counter()
    server = subprocess.Popen([*command, "--listen", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                    body = answer.read().decode()
                assert wanted in body, f"{command}: {body[:300]}"
                return time.perf_counter() - started
            except OSError:
                if server.poll() is not None or time.perf_counter() - started > 60:
                    raise SystemExit(f"{' '.join(command)} does not answer: {server.stderr.read() if server.poll() is not None else 'no answer in 60 s'}")
                time.sleep(0.02)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            raise SystemExit(f"{' '.join(command)} does not end when it is asked to")


def main() -> None:
    wheel = Path(sys.argv[1])
    installed = sum(os.path.getsize(f.locate()) for f in metadata.files("lapwing") or [] if f.locate().exists())
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, installed {installed / 1e6:.1f} MB")
    requires = metadata.requires("lapwing") or []
    assert not requires, f"the wheel needs {requires}: it is to need nothing"
    names = {str(f) for f in metadata.files("lapwing") or []}
    for name in ("lapwing/py.typed", "lapwing/_native.pyi", "lapwing/__init__.pyi"):
        assert name in names, f"{name} is not in the wheel"
    version = subprocess.run([str(BIN / "lapwing"), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert metadata.version("lapwing") in version, version
    print(f"lapwing --version: {version}")
    wrong = subprocess.run([str(BIN / "lapwing"), "serve", "--listen", "nowhere"], capture_output=True, text=True)
    assert wrong.returncode == 2, f"a wrong address ends with {wrong.returncode}: {wrong.stderr}"
    print(f"lapwing serve: answers after {answers([str(BIN / 'lapwing'), 'serve', '--memory'], '/-/ready', 'Lapwing'):.2f} s")
    print(f"lapwing serve: the web page is in it, {answers([str(BIN / 'lapwing'), 'serve', '--memory'], '/', '<script'):.2f} s")
    print(f"lapwing demo: answers after {answers([str(BIN / 'lapwing'), 'demo'], '/-/ready', 'Lapwing'):.2f} s")
    code = "import lapwing, json; m = lapwing.init(embedded=True); m.counter('a_total').inc(); print(json.dumps(m.query('a_total')[0]['value'][1])); m.close()"
    found = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert found == 1.0, found
    took = import_ms()
    print(f"import: {took:.1f} ms (budget {IMPORT_MS_MAX:.0f})")
    if took > IMPORT_MS_MAX:
        print("note: the import took longer than its budget; on a busy machine that says little")


main()
