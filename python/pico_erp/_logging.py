"""The library's log in Python's ``logging``: the thread that takes the lines, and their form there."""

from __future__ import annotations

import json
import logging
import threading
from types import TracebackType
from typing import Optional, Type

from ._errors import Error
from ._native import LogLines
from ._shutdown import closed_at_exit
from ._unraised import tell


class LogForwarder:
    """Hands the library's log to ``logging`` until it is closed. Made by ``forward_logs``."""

    def __init__(self, level: int, logger: logging.Logger) -> None:
        self._lines = LogLines(level)
        self._logger = logger
        # A program that ends without closing must not wait for it.
        self._thread = threading.Thread(target=self._run, name="pico-erp-log", daemon=True)
        self._thread.start()
        closed_at_exit(self)

    def close(self) -> None:
        """Takes no more lines; those that wait are still told. May be called again."""
        self._lines.close()

    def join(self, timeout: Optional[float] = None) -> bool:
        """After ``close()``: waits until the last line was told, at most ``timeout`` seconds; whether it was."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def __enter__(self) -> "LogForwarder":
        return self

    def __exit__(
        self,
        exc_type: Optional[Type[BaseException]],
        exc: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()
        self.join()

    def _run(self) -> None:
        try:
            while True:
                batch = self._lines.next_batch()
                if batch is None:
                    return
                for line in batch:
                    self._tell(*line)
        except Error:
            # The interpreter is ending.
            return

    def _tell(self, seconds: float, level: int, target: str, text: str, fields: str) -> None:
        name = target.partition(".")[2]
        logger = self._logger.getChild(name) if name else self._logger
        if not logger.isEnabledFor(level):
            return
        try:
            # Percent signs in the text are no placeholders, as there are no arguments.
            record = logger.makeRecord(logger.name, level, target, 0, text, (), None, extra={"pico_erp": json.loads(fields)})
            record.created = seconds
            record.msecs = seconds % 1 * 1000
            logger.handle(record)
        except Exception as error:
            # A filter's, or a handler's that does not keep its errors to itself.
            tell(error)


def forward_logs(level: int = logging.INFO, logger: Optional[logging.Logger] = None) -> LogForwarder:
    """Hands the library's log to ``logging``, from ``level`` up, until the result is closed. Without this there is none.

    Lines come to the logger ``pico_erp`` (or to ``logger``) and its children, such as ``pico_erp.subscription.driver``, on a
    thread of this package. The message has the fields as ``name=value`` behind it; each record also has them as a dict
    in its attribute ``pico_erp``, for formatters that write JSON. At most 1,024 lines wait: those beyond are counted, and the
    count is logged. Called again, it takes the place of the one before. No token is ever in it.

    Raises InvalidArgumentError for a level that is none of logging's.
    """
    return LogForwarder(level, logging.getLogger("pico_erp") if logger is None else logger)
