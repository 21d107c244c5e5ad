"""Visualization: dashboards, plots, reports, files (seed 2's layout)."""

from .dashboard import Dashboard, DashboardCreator
from .export import VisualizationExporter
from .plots import Plot, PlotGenerator
from .reports import Report, ReportGenerator

__all__ = ["Dashboard", "DashboardCreator", "Plot", "PlotGenerator", "Report", "ReportGenerator", "VisualizationExporter"]
