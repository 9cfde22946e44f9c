"""A Jupyter server with a home of its own, and a notebook in a browser: what the browser tests drive."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "browser"
AXE_VERSION = "axe-core@4.14.1"  # from npm: what checks accessibility
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 300  # seconds for whatever takes one on an idle machine: a busy one may be slow
BADGE = (
    "https://colab.research.google.com/assets/colab-badge.svg"  # a picture in the first cell of each notebook
)

# windowing would take outputs that are out of sight off the page
RUN = """async () => {
    const panel = jupyterapp.shell.currentWidget;
    await panel.context.ready;
    panel.content.notebookConfig = {...panel.content.notebookConfig, windowingMode: 'none'};
    const run = window.run = {running: true, failed: []};
    jupyterapp.commands.execute('notebook:run-all-cells')
        .catch(error => run.failed.push(String(error))).finally(() => run.running = false);
}"""
PROGRESS = """() => {
    const cells = jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code');
    const at = cells.findIndex(cell => cell.inputArea.promptNode.textContent.includes('*'));
    const source = at < 0 ? '' : cells[at].model.sharedModel.source.slice(0, 200);
    const errors = cells.flatMap(cell => cell.model.outputs.toJSON()).filter(o => o.output_type === 'error');
    return {
        running: run.running, failed: [...run.failed, ...errors.map(o => `${o.ename}: ${o.evalue}`)],
        at: at < 0 ? 'no cell' : `code cell ${at + 1} of ${cells.length}: ${source}`,
    };
}"""
EXECUTE = """async code => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const {content} = await kernel.requestExecute({code}).done;
    return content.status === 'ok' ? null : `${content.status}: ${content.ename}: ${content.evalue}`;
}"""
STILL = """async () => {
    const map = document.querySelector('.dmlnb-map');
    const state = () => {
        const {x, y, width, height} = map.getBoundingClientRect();
        return `${[x, y, width, height]} ${map.dataset.frames} ${map.rests()}`;
    };
    const before = state();
    for (let frame = 0; frame < 6; frame++) await new Promise(requestAnimationFrame);
    return map.offsetWidth > 1 && map.rests() && map.dataset.frames > 0 && state() === before;
}"""
WHERE = """(map, i) => {
    const {x, y} = map.getBoundingClientRect(), [dx, dy] = map.whereIs(i);
    return [x + dx, y + dy];
}"""


def find_browser() -> str | None:
    """The first browser on the path."""
    return next((found for found in map(shutil.which, BROWSERS) if found), None)


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
        end = time.monotonic() + PATIENCE
        while self.server.poll() is None and time.monotonic() < end:
            try:
                self.call("api")
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.25)
        self.__exit__()
        raise RuntimeError(f"no server after {PATIENCE} s:\n{(self.home / 'server.log').read_text()[-3000:]}")

    def __exit__(self, *_):
        self.server.terminate()
        try:
            self.server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.server.kill()  # kernels end when their server is gone
            self.server.wait()
        self.log.close()

    def call(self, path: str, method: str = "GET") -> bytes:
        """What the server answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.read()

    def stop_kernels(self) -> None:
        """End every session and its kernel."""
        for session in json.loads(self.call("api/sessions")):
            self.call(f"api/sessions/{session['id']}", "DELETE")

    def notebook(self, name: str, *sources: str) -> str:
        """Write a notebook of these code cells into the server's folder."""
        cells = [new_code_cell(source) for source in sources]
        kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), self.folder / name)
        return name


class LabPage:
    """A notebook in JupyterLab: run it, look at it. Whoever waits here waits long: a slow machine is only slow."""

    def __init__(self, page, lab):
        self.page, self.lab = page, lab
        self.wrong: list[str] = []  # what the browser complained about
        page.set_default_timeout(1000 * PATIENCE)
        empty = '<svg xmlns="http://www.w3.org/2000/svg" width="117" height="20"/>'
        page.route(BADGE, lambda route: route.fulfill(body=empty, content_type="image/svg+xml"))
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
        if not request.url.startswith(here) and request.url != BADGE:
            self.wrong.append(f"left this machine: {request.url}")

    def ask(self, function: str, arg=None, seconds: float = PATIENCE):
        """What a JavaScript function returns, or its promise; unlike `page.evaluate` it gives up after a while."""
        boxed = f"async arg => ({{value: await ({function})(arg)}})"
        return self.page.wait_for_function(boxed, arg=arg, timeout=1000 * seconds).json_value()["value"]

    def run_all(self, name: str, seconds: float = 1200) -> None:
        """Open a notebook and run its cells; raises if one of them failed, or if it takes longer than this."""
        page = self.page
        page.goto(f"http://127.0.0.1:{self.lab.port}/lab/tree/{name}?reset")
        page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.context?.sessionContext?.isReady"
        )
        self.ask(RUN)
        began = time.monotonic()
        while (found := self.ask(PROGRESS))["running"]:
            if time.monotonic() - began > seconds:
                raise AssertionError(f"{name}: not done after {seconds:.0f} s, at {found['at']}")
            page.wait_for_timeout(500)
        assert not found["failed"], found["failed"]

    def execute(self, code: str) -> None:
        """Run code in the notebook's kernel; returns when the page has taken in all that the kernel sent by then."""
        failed = self.ask(EXECUTE, code)
        assert failed is None, failed

    def quiet(self) -> None:
        """Wait until the kernel has answered what the page sent. Twice: a widget keeps back what it has to say while
        the kernel works for it."""
        self.execute("")
        self.execute("")

    def shoot(self, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SCREENSHOTS / f"{name}.png"))

    def close(self) -> None:
        """Close the page and stop the kernels, which would go on using memory."""
        self.page.close()
        self.lab.stop_kernels()


class Map:
    """The first explorer of a page, under a hand."""

    def __init__(self, notebook: LabPage):
        self.notebook, self.page = notebook, notebook.page
        self.root = self.page.locator(".dmlnb-explorer").first
        self.canvas = self.root.locator(".dmlnb-map").first
        self.canvas.wait_for()
        self.rest()

    def rest(self, kernel: bool = True) -> None:
        """Wait until nothing moves: the kernel has answered, all points have arrived, the page keeps its place."""
        if kernel:
            self.notebook.quiet()
        self.canvas.scroll_into_view_if_needed()
        self.page.wait_for_function(STILL)

    def where(self, i: int) -> tuple[float, float]:
        """Where on the page a point is drawn, once it is at rest."""
        self.rest()
        return tuple(self.canvas.evaluate(WHERE, i))

    def box(self) -> tuple[float, float, float, float]:
        """The map's left, top, right and bottom on the page, once it is at rest."""
        self.rest()
        box = self.canvas.bounding_box()
        return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]

    def hover(self, i: int) -> None:
        """Move the mouse to a point, and really move it, even if it is there already."""
        x, y = self.where(i)
        self.page.mouse.move(x + 3, y + 3)
        self.page.mouse.move(x, y)

    def click(self, i: int) -> None:
        self.page.mouse.click(*self.where(i))

    def data(self, name: str) -> str:
        return self.root.get_attribute(f"data-{name}")

    def wait(self, name: str, value) -> None:
        self.page.wait_for_function(
            "([name, value]) => document.querySelector('.dmlnb-explorer').dataset[name] === value",
            arg=[name, str(value)],
        )

    def text(self, selector: str) -> str:
        """The words of a part, once the kernel has sent them."""
        self.notebook.quiet()
        return self.root.locator(selector).inner_text()

    def button(self, name: str):
        return self.root.get_by_role("button", name=name, exact=True)

    def lasso(self, *corners, shift: bool = True) -> None:
        if shift:
            self.page.keyboard.down("Shift")
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        for corner in corners[1:]:
            self.page.mouse.move(*corner, steps=5)
        self.page.mouse.up()
        if shift:
            self.page.keyboard.up("Shift")
