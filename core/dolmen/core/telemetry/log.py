"""Structured logs: JSON lines on stderr, or columns on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import cast

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from dolmen.core.errors import ConfigError

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str, room: str) -> None:
    """Set up this process's log; raises ``ConfigError`` for an unknown level."""
    if level not in _LEVELS:
        raise ConfigError(f"log level {level!r} is none of {', '.join(_LEVELS)}")
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # Without the locals of frames: they hold secrets and bodies.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(room=room)


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger that says which part speaks."""
    return cast("FilteringBoundLogger", structlog.get_logger(part=name))
