"""An sshd of this machine that lets the user log in with a key made for it, and no other way."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

NAMES = ("127.0.0.1", "localhost")
_LIMIT_SECONDS = 20


def sshd_program() -> str | None:
    """The program, which is often not on the path of a user."""
    return shutil.which("sshd", path=os.pathsep.join((
        os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin")))


@contextlib.contextmanager
def local_sshd(folder: Path) -> Iterator[Path]:
    """The server for as long as it is entered; gives a home folder whose ssh finds it."""
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
                       check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text("".join(f"[{name}]:{port} {key}\n" for name in NAMES))
    (folder / "sshd_config").write_text(f"""
        Port {port}
        ListenAddress 127.0.0.1
        HostKey {folder}/host_key
        AuthorizedKeysFile {folder}/user_key.pub
        PermitRootLogin prohibit-password
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        StrictModes no
        UsePAM no
        PidFile none
    """)
    (home / ".ssh" / "config").write_text(f"""
        Host *
            Port {port}
            IdentityFile {folder}/user_key
            UserKnownHostsFile {folder}/known_hosts
    """)
    if os.geteuid() == 0:  # Where sshd of root puts its unprivileged part.
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([sshd_program(), "-D", "-e", "-f", folder / "sshd_config"],
                              stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield home
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    limit = time.monotonic() + _LIMIT_SECONDS
    while True:
        with contextlib.suppress(ConnectionRefusedError), \
                socket.create_connection(("127.0.0.1", port)):
            return
        assert time.monotonic() < limit, "sshd does not answer"
        time.sleep(0.05)
