"""What a type checker has to understand; read by pyright, never run."""

import asyncio

import lapwing
from lapwing import AlertManager, AlertRule, AlertSeverity, ProductionMonitor


@lapwing.track("typed", model="a")
def sync(x: int) -> str:
    return str(x)


@lapwing.track
async def coroutine(x: int) -> list[int]:
    return [x]


text: str = sync(1)
numbers: list[int] = asyncio.run(coroutine(1))
client: lapwing.Client = lapwing.init(embedded=True)
client.counter("typed_total", labels=("a",)).labels("x").inc()
manager: AlertManager = AlertManager(max_alerts=10)
manager.add_alert_rule(AlertRule("r", "x > 1", AlertSeverity.WARNING, "5m"))
monitor: ProductionMonitor = ProductionMonitor()
with lapwing.track("typed") as operation:
    operation.set(tokens=1)
with lapwing.span("typed") as span:
    header: str = span.traceparent
