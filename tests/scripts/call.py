"""A script as it runs from a shell, but in this process: what it prints, and how it ends."""

import contextlib
import io
import runpy
import sys
from types import SimpleNamespace
from unittest.mock import patch


def call(script: str, *arguments) -> SimpleNamespace:
    """`returncode`, `stdout` and `stderr` of `python script arguments`."""
    out, err, status = io.StringIO(), io.StringIO(), None
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with patch.object(sys, "argv", [script, *map(str, arguments)]), streams[0], streams[1]:
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            status = end.code
            if isinstance(status, str):  # as Python does at the end of a program
                print(status, file=err)
                status = 1
    return SimpleNamespace(returncode=status or 0, stdout=out.getvalue(), stderr=err.getvalue())
