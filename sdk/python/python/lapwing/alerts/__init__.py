"""Alerts: rules, managers, channels, escalation (seed 2's layout)."""

from .alert import Alert, AlertLevel, AlertRule, AlertSeverity
from .alert_manager import AlertManager
from .alert_rules import AlertRules
from .escalation import EscalationManager, EscalationStep
from .fatigue import AlertFatiguePrevention
from .notification import NotificationService

__all__ = ["Alert", "AlertFatiguePrevention", "AlertLevel", "AlertManager", "AlertRule", "AlertRules", "AlertSeverity", "EscalationManager", "EscalationStep", "NotificationService"]
