"""`protas-gtcc serve`: follow many people over WebSockets, with a live web page."""

from __future__ import annotations

import ipaddress
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from protas_gtcc.cli.shared.alarms import AlarmFlags
from protas_gtcc.cli.shared.interruption import interruption_prints
from protas_gtcc.cli.shared.lag import LagFlag
from protas_gtcc.cli.shared.parsing import Folder, Positional
from protas_gtcc.cli.shared.pictures import OwnBackboneFlags, processors_for_backbone
from protas_gtcc.config import Device, Text
from protas_gtcc.errors import InputError, lacks_package, listed
from protas_gtcc.serve.limits import Limits
from protas_gtcc.serve.listening import listening
from protas_gtcc.storage.checkpoints import require_model
from protas_gtcc.storage.locks import only_writer

if TYPE_CHECKING:
    from protas_gtcc.serve.kept_states import KeptStates


@dataclass(frozen=True)
class Command:
    """Serve a model: clients push frames to ws://HOST:PORT/stream?name=NAME and get results; the page at / is live.

    A message holds k frames as raw little-endian float32 [k, D]; with --pictures, clients of /stream?pictures=1 send
    one JPEG a message instead, at the model's rate. The answer is JSON with one result per frame.
    """

    model: Positional[Path]
    """A run directory, a checkpoint, or a checkpoint of ProTAS or MS-TCN."""
    host: str = "127.0.0.1"
    """Address to listen on. An address that other machines can reach needs a token."""
    port: int = 8765
    """Port to listen on; 0 takes a free one."""
    token: Text | None = None
    """Clients and pages must give it, as ?token=TEXT or in a bearer header. By default $PROTAS_GTCC_TOKEN, if set:
    other users of this machine see the options of a command, but not its environment."""
    task: str | None = None
    """Task of clients that give none with /stream?task=NAME; by default it is inferred, where the model knows several.
    """
    state: Folder | None = None
    """Folder where the state of every stream is kept, twice a second. After a restart, or a broken connection, a client
    goes on with /stream?name=NAME&resume=1; a server that is killed loses the last second. Of the streams that are not
    connected, the last 256 are kept."""
    pictures: bool = False
    """Take pictures too, and make features of them with the backbone of the model's training."""
    device: Device = "auto"
    """Where the backbone of pictures computes; auto takes a GPU if there is one."""
    budget: AlarmFlags = field(default_factory=AlarmFlags)
    lag: LagFlag = field(default_factory=LagFlag)
    video: OwnBackboneFlags = field(default_factory=OwnBackboneFlags)
    limits: Limits = field(default_factory=Limits)

    def run(self) -> None:
        """Serve until interrupted."""
        if self.token == "":
            raise InputError("--token is empty; give one that is hard to guess")
        token = self.token or os.environ.get("PROTAS_GTCC_TOKEN") or None
        if token is None and not _is_this_machine(self.host):
            raise InputError(f"{self.host} can be reached from other machines: give --token, or $PROTAS_GTCC_TOKEN")
        require_model(self.model)  # before the seconds that importing torch takes
        from protas_gtcc.dataset.reader import require_no_control
        from protas_gtcc.inference import choose_device, load

        try:
            import uvicorn

            from protas_gtcc.serve.app import make_app
            from protas_gtcc.serve.connections import server_config
            from protas_gtcc.serve.pictures import LARGEST_BYTES, require_decoder
        except ImportError as error:
            raise lacks_package("serving", error, "serve") from error
        with ExitStack() as closing:
            listener = closing.enter_context(listening(self.host, self.port))
            model = load(self.model)
            require_no_control(model.facts.config, "be served")
            model.task_number(self.task)
            self.budget.give(model)
            self.lag.give(model)
            if self.state is not None:
                self.state.mkdir(parents=True, exist_ok=True)
                closing.enter_context(only_writer(self.state / "states", wait=False))
            backbone = None
            if self.pictures:
                require_decoder()
                closing.enter_context(processors_for_backbone())
                self.video.give(model, choose_device(self.device))
                backbone = model.stream_backbone()
            app = make_app(model, self.limits, token, self.state, backbone, self.task)
            _show_kept(app.state.sessions.kept)
            model.compile_streams()  # the first client would wait for it
            port = listener.getsockname()[1]
            host = f"[{self.host}]" if ":" in self.host else self.host
            print(f"http://{host}:{port}/{'?token=…' if token else ''}", flush=True)
            largest = LARGEST_BYTES if backbone else 0
            config = server_config(app, self.limits, model.facts.feature_dim, largest, log_level="warning")
            with interruption_prints("stopped"):  # the usual end
                uvicorn.Server(config).run(sockets=[listener])


def _show_kept(kept: KeptStates | None) -> None:
    if kept is not None and kept.frames:
        streams = listed(f"{name!r} from frame {frames}" for name, frames in kept.frames.items())
        print(f"kept states, for clients that resume: {streams}", file=sys.stderr, flush=True)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
