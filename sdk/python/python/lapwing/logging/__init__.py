"""Logs: setting up, processing, analysing, keeping (seed 2's layout)."""

from .log_analyzer import LogAnalyzer
from .log_processor import LogProcessor, LogRecord
from .log_storage import LogStorage
from .logger import JsonFormatter, MetricsHandler, setup_logging

__all__ = ["JsonFormatter", "LogAnalyzer", "LogProcessor", "LogRecord", "LogStorage", "MetricsHandler", "setup_logging"]
