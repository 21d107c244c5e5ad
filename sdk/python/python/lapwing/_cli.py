"""The command line: the server's own, from the extension module."""

from __future__ import annotations

import sys


def main(args: list[str] | None = None) -> int:
    """`lapwing serve`, `lapwing query`, `lapwing gate`, …; and seed 0's `lapwing monitor setup|start|status|export`."""
    given = sys.argv[1:] if args is None else list(args)
    if given[:1] == ["monitor"]:
        from .scripts.deployment.monitoring_setup import main as monitor

        return monitor(given[1:])
    if given[:1] == ["doctor"] and "--server" not in given:
        from .health.diagnostics import debug_monitoring_system

        return 1 if debug_monitoring_system()["problems"] else 0
    from . import _native

    # Ctrl-C belongs to the server while it runs, not to an interpreter that waits for it.
    import signal

    if args is None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.cli_main(["lapwing", *given])
