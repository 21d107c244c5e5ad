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


@client.track("typed", model="a")
def through_the_client(x: int) -> str:
    return str(x)


@lapwing.PerformanceProfiler.profile_function
def profiled(x: int) -> str:
    return str(x)


@lapwing.PerformanceProfiler().profile_function
def profiled_too(x: int) -> str:
    return str(x)


texts: list[str] = [through_the_client(1), profiled(1), profiled_too(1)]
lapwing.integrations.prometheus.bridge().stop()
with client.span("typed") as other:
    header = other.traceparent


def asked(client: lapwing.Client) -> bool:
    numbers_of: dict[str, list[float]] = lapwing.gate.measured({"latency": "p95_latency"}, "10m")
    events: list[dict[str, object]] = AlertRule("r", "x > 1").backtest(client, hours=3)
    found: lapwing.QueryResult = client.query_range("up", 0, 60, 15)
    return lapwing.gate(numbers_of, "main", window="10m").passed and bool(events or found)
with ProductionMonitor() as entered:
    entered.record_pipeline_execution("typed", 0.1)
