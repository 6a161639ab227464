"""Workers that take memory until somebody stops them, each in another way. Arguments: MB per second, a name.

Two take none: "dies" is gone at once, "calm" does nothing and is done.
"""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

_PACE = """
import sys, time
pace, name, began, taken = float(sys.argv[1]), sys.argv[2], time.monotonic(), 0
def rest(mb):
    global taken
    taken += mb
    if taken > 4000: time.sleep(600)
    time.sleep(max(0.0, taken / pace - (time.monotonic() - began)))
"""

EATERS = {
    "python": _PACE + "held = []\nwhile True: held.append(bytearray(b'x' * 4_000_000)); rest(4)",
    "numpy": _PACE
    + "import numpy as np\nbegan = time.monotonic(); held = []\nwhile True: held.append(np.ones(1_000_000)); rest(8)",
    "c": _PACE
    + "import ctypes\nlibc, size = ctypes.CDLL(None), ctypes.c_size_t\nlibc.malloc.restype = ctypes.c_void_p\n"
    + "libc.malloc.argtypes = [size]; libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, size]\n"
    + "while True: libc.memset(libc.malloc(8_000_000), 1, 8_000_000); rest(8)",
    "mmap": _PACE
    + "import mmap\nheld = []\n"
    + "while True: held.append(mmap.mmap(-1, 6_000_000)); held[-1].write(b'x' * 6_000_000); rest(6)",
    "shm": _PACE
    + "file = open(f'/dev/shm/{name}/file', 'wb')\nwhile True: file.write(b'x' * 4_000_000); file.flush(); rest(4)",
    "children": _PACE
    + "import subprocess\ncode = 'import time; held = bytearray(b\"x\" * 30_000_000); time.sleep(600)'\nheld = []\n"
    + "while True: held.append(subprocess.Popen([sys.executable, '-I', '-c', code])); rest(40)",
    "torch": _PACE
    + "import torch\nbegan = time.monotonic(); held = []\nwhile True: held.append(torch.ones(4_000_000)); rest(16)",
    "extension": _PACE
    + "sys.path.insert(0, name); import eater\nbegan = time.monotonic()\nwhile True: eater.eat(64_000_000); rest(64)",
    "dies": "import os; os.kill(os.getpid(), 9)",
    "calm": "",
}


def build_extension(folder: Path) -> bool:
    """Compile the C extension into the folder, whose name "extension" takes; False where no compiler is."""
    include, suffix = sysconfig.get_paths()["include"], sysconfig.get_config_var("EXT_SUFFIX")
    command = ("cc", "-O1", "-shared", "-fPIC", f"-I{include}", str(Path(__file__).with_name("eater.c")), "-o")
    try:
        return (
            subprocess.run([*command, str(folder / f"eater{suffix}")], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False
