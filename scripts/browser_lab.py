"""A Jupyter server with a home of its own, and a notebook in a browser: what the browser tests drive."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
SCREENSHOTS = ROOT / "build" / "browser"


class Lab:
    """A server in a folder, and its address."""

    def __init__(self, folder: Path, program: str, python: str = sys.executable):
        self.folder, self.program, self.python = folder / "notebooks", program, python
        self.folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home = folder
        settings = folder / ".jupyter" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = '{"fetchNews": "false", "checkForUpdates": false}'  # no question over the lower right corner
        (settings / "notification.jupyterlab-settings").write_text(quiet)

    def __enter__(self):
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "IPYTHON", "PYTEST"))}
        environment = outside | {
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "DMLNB_DATA": os.environ.get("DMLNB_DATA", str(ROOT / "data")),
        }
        token = "--NotebookApp.token=" if self.program == "notebook" else "--IdentityProvider.token="
        command = [self.python, "-m", self.program, "--no-browser", "--ip=127.0.0.1", f"--port={self.port}"]
        command += [token, "--allow-root", f"--ServerApp.root_dir={self.folder}"]
        if self.program == "notebook":
            command[-1] = f"--notebook-dir={self.folder}"
        else:
            command += [
                "--expose-app-in-browser",
                "--LabApp.news_url=",
                "--ServerApp.disable_check_xsrf=True",
            ]
        self.log = (self.home / "server.log").open("w")
        self.server = subprocess.Popen(
            command, env=environment, cwd=self.home, stdout=self.log, stderr=subprocess.STDOUT
        )
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api", timeout=2)
                return self
            except (urllib.error.URLError, OSError):
                if self.server.poll() is not None:
                    break
                time.sleep(0.25)
        raise RuntimeError((self.home / "server.log").read_text()[-3000:])

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait(20)
        self.log.close()

    def notebook(self, name: str, *sources: str) -> str:
        """Write a notebook of these code cells into the server's folder."""
        cells = [new_code_cell(source) for source in sources]
        kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), self.folder / name)
        return name


class LabPage:
    """A notebook in JupyterLab: run it, look at it."""

    def __init__(self, page, lab):
        self.page, self.lab = page, lab
        self.wrong: list[str] = []  # what the browser complained about
        page.on("console", lambda m: self.wrong.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("requestfailed", lambda r: self._failed(r, "failed"))
        page.on("response", lambda r: self._failed(r, r.status) if r.status >= 400 else None)
        page.on("request", self._left)

    def _failed(self, request, why) -> None:
        if "ERR_ABORTED" not in str(getattr(request, "failure", "")):  # the page went elsewhere meanwhile
            self.wrong.append(f"request: {why} {request.url}")

    def _left(self, request) -> None:
        here = (f"http://127.0.0.1:{self.lab.port}/", f"ws://127.0.0.1:{self.lab.port}/", "data:", "blob:")
        if not request.url.startswith(here):
            self.wrong.append(f"left this machine: {request.url}")

    def run_all(self, name: str, seconds: float = 300) -> None:
        """Open a notebook and run its cells; raises if one of them failed."""
        page = self.page
        page.goto(f"http://127.0.0.1:{self.lab.port}/lab/tree/{name}?reset")
        page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.isReady", timeout=90_000
        )
        # windowing would take outputs that are out of sight off the page
        done = """async () => {
            const panel = jupyterapp.shell.currentWidget;
            await panel.context.ready;
            panel.content.notebookConfig = {...panel.content.notebookConfig, windowingMode: 'none'};
            await jupyterapp.commands.execute('notebook:run-all-cells');
            await jupyterapp.serviceManager.ready;
            const cells = panel.content.model.toJSON().cells.filter(c => c.cell_type === 'code');
            return cells.flatMap(c => c.outputs).filter(o => o.output_type === 'error').map(o => o.evalue);
        }"""
        page.set_default_timeout(seconds * 1000)
        failed = page.evaluate(done)
        page.set_default_timeout(30_000)
        assert not failed, failed

    def shoot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))
