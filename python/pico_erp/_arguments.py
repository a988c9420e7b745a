"""Types of arguments that several calls take."""

from datetime import timedelta
from os import PathLike
from typing import Union

Pem = Union[str, bytes, "PathLike[str]"]
"""PEM text, PEM bytes, or the path of a file."""

Span = Union[float, timedelta]
"""A length of time: a number of seconds, or a timedelta."""

StorePath = Union[str, "PathLike[str]"]
"""Where a store is: the path of its file, or the URL of a database."""

FilePath = Union[str, "PathLike[str]"]
"""Where any other file is."""
