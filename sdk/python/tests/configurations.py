"""The configurations of the seeds, as they print them."""

#: The keys of the configurations that seeds 1 and 2 print, as they print them.
CONFIGURATIONS = {
    "seed 1, monitoring.yaml": """
monitoring:
  enabled: true
  metrics:
    enabled: true
    endpoint: "/metrics"
    collection_interval: 10  # seconds
  health_checks:
    enabled: true
    check_interval: 30  # seconds
    timeout: 10  # seconds
  alerting:
    enabled: true
    alert_manager_url: "http://alertmanager:9093"
  logging:
    level: "INFO"
    format: "json"
    output: "stdout"
  external_services:
    - name: "redis"
      health_url: "http://redis:6379/health"
    - name: "database"
      health_url: "http://database:5432/health"
""",
    "seed 1, alerting.yaml": """
alerting:
  rules:
    - name: "high_error_rate"
      condition: "error_rate > 0.05"
      severity: "critical"
      duration: "5m"
    - name: "high_latency"
      condition: "p95_latency > 2.0"
      severity: "warning"
      duration: "2m"
    - name: "high_memory_usage"
      condition: "memory_usage > 0.9"
      severity: "critical"
      duration: "1m"
    - name: "model_degradation"
      condition: "quality_score < 0.7"
      severity: "warning"
      duration: "10m"
  notifications:
    - type: "slack"
      webhook_url: "https://hooks.slack.com/services/..."
      channel: "#alerts"
    - type: "email"
      smtp_server: "smtp.gmail.com"
      smtp_port: 587
      username: "alerts@company.com"
      password: "password"
    - type: "pagerduty"
      service_key: "your-service-key"
""",
    "seed 2": """
monitoring:
  metrics:
    collection:
      interval: 60s
      batch_size: 1000
    storage:
      retention: 30d
      compression: true
  alerts:
    rules:
      - name: high_cpu
        condition: cpu_usage > 80%
        duration: 5m
      - name: high_memory
        condition: memory_usage > 90%
        duration: 5m
    notifications:
      channels:
        - email
        - slack
        - pagerduty
  visualization:
    dashboards:
      refresh: 60s
      retention: 7d
    plots:
      types:
        - line
        - bar
        - scatter
    reports:
      schedule: daily
      format: pdf
  logging:
    level: INFO
    rotation: daily
    compression: true
""",
}
