"""Terminals for tests: one in memory, and a real one that a command runs on."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

_COMMAND = (sys.executable, "-c", "from facebatch.cli import main; main()")


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        """Always."""
        return True


def on_terminal(columns: int, *arguments: str) -> str:
    """What a command says, on both streams, on a real terminal so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    said = bytearray()
    with subprocess.Popen([*_COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=environment):
        os.close(theirs)
        while chunk := _read(ours):
            said += chunk
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux, when the other end is closed
        return b""
