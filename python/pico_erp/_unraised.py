"""What becomes of an exception that a callback raises and nobody has asked to hear of."""

from __future__ import annotations

import threading


def tell(error: BaseException) -> None:
    """Hands it to ``threading.excepthook``, as if it had ended this thread."""
    threading.excepthook(
        threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
    )
